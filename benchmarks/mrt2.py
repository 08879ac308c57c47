"""Times Magenta RealTime 2 frame by frame, beside the floor of the same run.

    python benchmarks/mrt2.py --size small --frames 40
    python benchmarks/mrt2.py --size small --forms float32 packed int8 --decoder full

A step of one stream reads every weight that it uses once, those of the layers over levels once a
level: the floor of a form is these bytes at the speed at which one core reads memory, measured in
turns with the frames. So it is a floor for weights that no cache keeps; a form whose layers over
levels fit into a cache may be quicker. Weights are random, one stream, ticks of one frame.

The form "packed" is float32 with packed products, and "packed-bfloat16" the same with weights of
bfloat16. Prints for every form milliseconds a frame (median and least), CPU milliseconds, the
floor, and the real-time factor: 40 ms over the median. With --decoder, the codec's decoder too; it
runs beside the next step, on another core.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import jax
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from soundstage.graph.format import Format
from soundstage.stages.magenta_rt2 import Step
from soundstage.stages.magenta_rt2.config import MagentaRt2Config, StackConfig, config_of_size
from soundstage.stages.magenta_rt2.params import FrameModelParams
from soundstage.stages.precision import Precision, Products
from soundstage.stages.spectrostream import DecodeStreaming
from soundstage.stages.spectrostream.stage import Convolution, Size, StreamingParams
from soundstage.stages.spectrostream.streaming import MemoryLayout

FRAME_S = 0.04
BYTES = {"float32": 4, "packed": 4, "bfloat16": 2, "packed-bfloat16": 2, "int8": 1}
SETTINGS: dict[str, tuple[Precision, Products]] = {
    "float32": ("float32", "auto"),
    "packed": ("float32", "packed"),
    "bfloat16": ("bfloat16", "auto"),
    "packed-bfloat16": ("bfloat16", "packed"),
    "int8": ("int8", "auto"),
}
# Bytes that are read to measure the speed of memory: more than caches hold.
READ_BYTES = 256 << 20


def layer_numbers(stack: StackConfig, condition: int = 0) -> int:
    """Counts the weights of a layer's matrices; `condition` is the width of cross-attention."""
    inner = stack.heads * stack.head
    own = 4 * stack.dim * inner + 2 * stack.dim * stack.ffn
    return own + (2 * stack.dim * inner + 2 * condition * inner if condition else 0)


def frame_numbers(config: MagentaRt2Config) -> int:
    """Counts the weights that a frame reads, each as often as it is read."""
    frames = config.temporal.layers * layer_numbers(config.temporal, config.encoder_dim)
    adapter = config.temporal.dim * config.depth.dim
    level = config.depth.layers * layer_numbers(config.depth) + adapter
    return frames + config.levels * (level + config.depth.dim * config.codes)


class FrameRun:
    """A stage and its state; a call makes a frame."""

    def __init__(self, size: str, form: str, config: MagentaRt2Config) -> None:
        format = Format(
            chunk_s=FRAME_S,
            context_s=(config.reach + 1) * FRAME_S,
            codec_levels=config.levels,
            context_levels=config.levels,
        )
        params = FrameModelParams("random:0", size, *SETTINGS[form])
        self.stage = Step(params, format, jax.devices("cpu")[0])
        past, size = format.dims["context_frame"], format.dims["condition_byte"]
        draw = np.random.default_rng(0)
        self.asked = {
            "style": draw.integers(0, config.style_codes, (1, config.style_levels), np.int32),
            "numbers": draw.integers(-1, 2, (1, 1, config.control_numbers), np.int32),
        }
        self.state = {
            "context": np.full((1, past, config.levels), -1, np.int32),
            "conditions": np.zeros((1, past, size), np.uint8),
            "frame": np.zeros(1, np.int64),
        }
        self.memo = self.stage.rebuild(**self.state)

    def __call__(self) -> None:
        outputs, self.memo = self.stage(
            **self.asked,
            temperature=np.full(1, 1.3, np.float32),
            top_k=np.full(1, 40, np.int32),
            seed=np.zeros(1, np.int64),
            memo=self.memo,
            **self.state,
        )
        self.state = {name: outputs[name] for name in self.state}


def decoder_run(size: Size, convolution: Convolution) -> Callable[[], None]:
    """Makes a function that decodes a frame."""
    params = StreamingParams("random:0", size, convolution)
    memory = MemoryLayout(params.config).size
    format = Format(chunk_s=FRAME_S, codec_levels=12, codec_memory=memory)
    stage = DecodeStreaming(params, format, jax.devices("cpu")[0])
    kept = {"memory": np.zeros((1, memory), np.float32)}
    tokens = np.random.default_rng(0).integers(0, 1024, (1, 1, 12)).astype(np.int32)

    def decode() -> None:
        kept["memory"] = stage(tokens=tokens, **kept)["memory"]

    return decode


def timed(runs: dict[str, Callable[[], None]], frames: int) -> dict[str, np.ndarray]:
    """Times calls in turns after two to warm up; by name [frame, 2], wall and CPU seconds."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for frame in range(frames + 2):
        for name, run in runs.items():
            start, start_cpu = time.perf_counter(), time.process_time()
            run()
            if frame >= 2:
                used = time.process_time() - start_cpu
                times[name].append((time.perf_counter() - start, used))
    return {name: np.array(taken) for name, taken in times.items()}


def main() -> None:
    """Reads the command line, measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", default="small", choices=("tiny", "small", "base"))
    parser.add_argument("--forms", nargs="+", default=["float32", "int8"], choices=list(BYTES))
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--decoder", default="full", choices=("tiny", "full", "none"))
    options = parser.parse_args()
    config, memory = config_of_size(options.size), np.ones(READ_BYTES // 8, np.float64)
    runs: dict[str, Callable[[], None]] = {"memory": lambda: float(memory.sum())}
    runs |= {form: FrameRun(options.size, form, config) for form in options.forms}
    if options.decoder != "none":
        for convolution in get_args(Convolution):
            runs[f"decoder, {convolution}"] = decoder_run(options.decoder, convolution)
    times = timed(runs, options.frames)
    speed = READ_BYTES / times.pop("memory")[:, 0].min()
    print(f"{options.size}: {frame_numbers(config) / 1e6:.0f} M weights read a frame; ", end="")
    print(f"one core reads {speed / 1e9:.1f} GB/s")
    for name, taken in times.items():
        median, least = np.median(taken[:, 0]), taken[:, 0].min()
        floor = frame_numbers(config) * BYTES[name] / speed if name in BYTES else np.nan
        print(
            f"{name:<17} {1e3 * median:6.1f} ms a frame, least {1e3 * least:6.1f}, "
            f"CPU {1e3 * np.median(taken[:, 1]):6.1f}, floor {1e3 * floor:6.1f}, "
            f"RTF {FRAME_S / median:.2f}"
        )


if __name__ == "__main__":
    main()
