"""A recording of Magenta RealTime 2 as the spec by hand makes it, of sizes unlike the published."""

import json

import numpy as np
from magenta_rt2_by_hand import random_weights, run
from safetensors.numpy import save_file

# Windows that differ, layers over levels as wide as those over frames, two sinks, few of all else.
CONFIG = {
    "model": "magenta-rt-2",
    "format_version": 1,
    "encoder_dim": 10,
    "temporal": {"layers": 2, "dim": 12, "ffn": 20, "heads": 2, "head": 4},
    "depth": {"layers": 1, "dim": 12, "ffn": 16, "heads": 3, "head": 2},
    "window_self": 2,
    "window_cross": 3,
    "sinks": 2,
    "levels": 3,
    "codes": 7,
    "reserved": 6,
    "style": {"levels": 2, "codes": 5, "dim": 6},
    "note_states": 4,
    "pitches": 5,
    "drum_states": 2,
    "scale_bins": [41, 41, 9],
    "logit_cap": 30.0,
    "codec": {"features": 16, "decoder_base": 3, "quantizers": 64, "codes": 7},
    "recorded": {"frames": 9, "top_k": 3, "temperature": 1.3, "dtype": "float32"},
}
FRAMES, GIVEN, TOP_K, TEMPERATURE = 9, 4, 3, 1.3
SCALES = np.array([2.0, 1.5], np.float32)


def conditioning(generator, frames):
    """Raw numbers, each at both ends and in between."""
    highs = [5, 5, 4, 4, 4, 4, 4, 2, 41, 41, 9]
    numbers = np.stack([generator.integers(-1, high, frames) for high in highs], axis=1)
    numbers[0, :8], numbers[1, 8:], numbers[2, 8:] = -1, 0, [40, 40, 8]
    return numbers.astype(np.int32)


def caches(by_hand, frame):
    """The arrays `state{frame}_...`, behind `frame`."""
    arrays = {}
    for index, past in enumerate(by_hand.past):
        layer, kind = index // 2, ("self", "cross")[index % 2]
        window = CONFIG[f"window_{kind}"]
        for part, steps in zip(("keys", "values"), past, strict=True):
            kept = steps[: frame + 1][-window:]
            padded = [np.zeros_like(kept[0])] * (window - len(kept)) + kept
            arrays[f"state{frame}_{layer}_{kind}_{part}"] = np.array(padded, np.float32)
        valid = np.arange(window) >= window - len(kept)
        arrays[f"state{frame}_{layer}_{kind}_valid"] = valid
    return arrays


class Recorder:
    """Collects the arrays of the README, but the audio."""

    def __init__(self, weights):
        self.weights = weights
        generator = np.random.default_rng(7)
        self.numbers = conditioning(generator, FRAMES)
        self.others = conditioning(generator, FRAMES)
        shape = (FRAMES, CONFIG["levels"], 2, CONFIG["codes"])
        self.noise = generator.gumbel(size=shape).astype(np.float32)
        given = generator.integers(0, CONFIG["codes"], (GIVEN, CONFIG["levels"]))
        self.arrays = {
            "conditioning": self.numbers,
            "blocks": self.numbers + 7,
            "prefill_codes": given.astype(np.int32),
            "sampled_noise": self.noise[:, :, 0],
            "guided_scales": SCALES,
        }

    def run(self, name, rows, *settings, row=0, **more):
        ids, logits, others = run(CONFIG, self.weights, rows, *settings, **more)
        self.arrays[f"{name}_tokens"] = ids
        self.arrays[f"{name}_logits"] = logits[:, :, row].astype(np.float32)
        return others

    def greedy(self):
        more = self.run("greedy", self.numbers[:, None])
        (by_hand,) = more["rows"]
        arrays = {
            "encoded": [by_hand.encode(raw) for raw in self.numbers],
            "greedy_temporal_inputs": more["inputs"],
            "greedy_temporal_outputs": more["outputs"],
            "greedy_raw_logits_frames_0_1": more["raw"][:2],
        }
        self.arrays |= {name: np.array(array, np.float32) for name, array in arrays.items()}
        for frame in (1, FRAMES - 1):
            self.arrays |= caches(by_hand, frame)
            previous = self.arrays["greedy_tokens"][frame]
            self.arrays[f"state{frame}_previous_frame"] = previous
            self.arrays[f"state{frame}_step"] = np.array([frame + 1], np.int32)

    def others_of_one_stream(self):
        one = self.numbers[:, None]
        self.run("sampled", one, TEMPERATURE, TOP_K, self.noise[:, :, 0])
        ids = self.arrays["prefill_codes"] + 6 + CONFIG["codes"] * np.arange(CONFIG["levels"])
        self.run("prefilled", one, given=[[0] * CONFIG["levels"], *ids])
        self.run("prefilled_app", one, given=ids)
        rows = np.stack([self.numbers] * 3, axis=1)
        rows[:, 1, :2], rows[:, 2, 2:7] = -1, -1
        self.run("guided", rows, scales=SCALES, row=slice(None))

    def two_streams(self):
        parts, settings = (self.numbers, self.others), ((1.3, 3), (0.7, 2))
        both = [
            run(CONFIG, self.weights, part[:, None], heat, k, self.noise[:, :, row])
            for row, (part, (heat, k)) in enumerate(zip(parts, settings, strict=True))
        ]
        logits = np.concatenate([result[1] for result in both], axis=2)
        self.arrays |= {
            "rows_blocks": np.stack(parts, axis=1) + 7,
            "rows_noise": self.noise,
            "rows_temperature": np.array([1.3, 0.7], np.float32),
            "rows_top_k": np.array([3, 2]),
            "rows_tokens": np.stack([result[0] for result in both], axis=1),
            "rows_logits": logits.astype(np.float32),
        }


def recorded(weights):
    """Returns the arrays of both files by name."""
    recorder = Recorder(weights)
    recorder.greedy()
    recorder.others_of_one_stream()
    recorder.two_streams()
    arrays = recorder.arrays
    forced = {
        "forced_logits": arrays["greedy_logits"],
        "forced_temporal_outputs": arrays["greedy_temporal_outputs"],
    }
    return {"recorded": arrays, "recorded_bfloat16": forced}


def write_recording(folder):
    """Writes config.json, weights.safetensors and the recorded arrays."""
    weights = random_weights(CONFIG)
    for name, arrays in recorded(weights).items():
        np.savez(folder / f"{name}.npz", **arrays)
    save_file(weights, folder / "weights.safetensors")
    (folder / "config.json").write_text(json.dumps(CONFIG))
    return folder
