"""Makes the small recordings of this folder: `python tests/golden/make_golden.py`.

Weights and inputs are random. The recorded outputs come from the specs in NumPy beside this file,
never from the networks that `soundstage verify` compares with them. Layout and names are those of
the recordings of the originals.
"""

import json
import zlib
from pathlib import Path

import numpy as np
from depthformer_by_hand import DepthformerByHand, depthformer_shapes
from safetensors.numpy import save_file
from spectrostream_by_hand import SpectroStreamByHand, spectrostream_shapes

HERE = Path(__file__).parent
DEPTHFORMER = {
    "model": "depthformer",
    "embed_dim": 12,
    "num_heads": 3,
    "head_dim": 4,
    "mlp_dim": 20,
    "num_encoder_layers": 2,
    "num_temporal_layers": 2,
    "num_depth_layers": 2,
    "activation_dtype": "float32",
    "vocab_size": 128,
    "num_levels": 3,
    "codebook_size": 24,
}
PROMPT, STYLE, FRAMES = 29, 5, 6
SPECTROSTREAM = {
    "model": "spectrostream",
    "sample_rate": 2400.0,
    "stft": {"frame_length": 48, "frame_step": 24, "fft_length": 48, "bins": 24},
    "feature_channels": 4,
    "ratios": [[1, 2], [1, 2], [2, 3], [2, 1]],
    "mults": [2, 1, 2, 1],
    "num_features": 8,
    "encoder_base": 3,
    "encoder_base_kernel": 7,
    "decoder_base": 3,
    "decoder_base_kernel": 7,
    "channel_splits": 2,
    "channel_recombo_block": -2,
    "decoder_lookahead": 1,
    "quantizers": 6,
    "codes": 10,
    "samples_per_frame": 96,
}


def initial(name, shape):
    z = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
    kind = name.split("/")[-1]
    if kind == "kernel":
        z /= np.sqrt(np.prod(shape[:-1]))
    elif kind == "bias":
        z *= 0.1
    elif kind == "scale":
        z = 1 + 0.1 * z
    elif kind == "rel_embedding":
        z *= 0.5
    return z.astype(np.float32)


def record_depthformer(net, rng):
    levels, codes = DEPTHFORMER["num_levels"], DEPTHFORMER["codebook_size"]
    starts = 2 + codes * np.arange(levels)
    prompt = rng.integers(2, DEPTHFORMER["vocab_size"], PROMPT)
    fresh = np.where(np.arange(PROMPT) < PROMPT - STYLE, 1, prompt)
    masked = [np.where(np.arange(PROMPT) < PROMPT - STYLE, row, 1) for row in (prompt, fresh)]
    prompts = {"": np.stack([prompt, masked[0]]), "_fresh": np.stack([fresh, masked[1]])}
    targets = starts + rng.integers(0, codes, (2, FRAMES, levels))
    rows = np.arange(0, PROMPT, 4)
    steps = np.array([0, 1, 2, 7, 17])
    out = {"encoder_out_rows": rows, "logit_steps": steps}
    gaps = []
    for suffix, pair in prompts.items():
        encoded = np.stack([net.encode(row) for row in pair])
        out[f"encoder_tokens{suffix}"] = pair.astype(np.int32)
        out[f"encoder_out{suffix}"] = encoded[:, rows].astype(np.float32)
        for name, weight, own in (("w5", 5, 0), ("own_level_w5", 5, 1)):
            ids, gap = net.greedy(pair, weight, FRAMES, own)
            out[f"greedy_{name}{suffix}"] = np.stack([ids.reshape(-1)] * 2).astype(np.int32)
            gaps.append(gap)
        alone = [net.greedy([row], 0, FRAMES, False) for row in pair]
        out[f"greedy_w0{suffix}"] = np.stack([i.reshape(-1) for i, _ in alone]).astype(np.int32)
        gaps += [gap for _, gap in alone]
        if not suffix:
            parts = zip(encoded, targets, strict=True)
            forced = [net.forced(row, target) for row, target in parts]
    print("smallest gap between the two best logits of a greedy step:", min(gaps))
    logits = np.stack([f[2] for f in forced]).reshape(2, FRAMES * levels, -1)
    out["target_tokens"] = targets.reshape(2, -1).astype(np.int32)
    at = [logits[:, s, starts[s % levels] : starts[s % levels] + codes] for s in steps]
    out["own_level_logits"] = np.stack(at, axis=1).astype(np.float32)
    out["logsumexp"] = np.log(np.exp(logits).sum(axis=-1)).astype(np.float32)
    more = {
        "forced_temporal_decoder": np.stack([f[0] for f in forced]),
        "forced_depth_decoder": np.stack([f[1] for f in forced]).reshape(2, FRAMES * levels, -1),
        "probe_ids": np.array([0, 1, 5, 127]),
        "forced_probe_logits": logits[..., [0, 1, 5, 127]],
        "forced_argmax": logits.argmax(axis=-1),
    }
    return out, {
        name: a.astype(np.float32 if a.dtype.kind == "f" else np.int32) for name, a in more.items()
    }


def record_decode(net, rng):
    codes = rng.integers(0, SPECTROSTREAM["codes"], (2, 9, SPECTROSTREAM["quantizers"]))
    block = SPECTROSTREAM["samples_per_frame"]
    decode = {}
    for levels in (4, 3, 6):
        part = codes[..., :levels]
        decode[f"codes_K{levels}"] = part
        decode[f"embeddings_K{levels}"] = net.dequantize(part)
    whole = net.decode(codes[..., :4])
    frames = np.arange(0, 4 * 8, 3)
    decode["features_frames_K4"] = frames
    decode["features_K4"] = net.features(decode["embeddings_K4"])[:1, frames]
    decode["waveform_K4"] = whole
    decode["waveform_first_3frames_K3"] = net.decode(codes[..., :3])[:, : 3 * block]
    decode["waveform_K6"] = net.decode(codes)[:1]
    short = {"codes": codes[:, :3, :4]}
    for count in (1, 2, 3):
        short[f"waveform_{count}frames"] = net.decode(codes[:, :count, :4])
    first = 32767.5 * np.clip(0.5 * whole[:, : 2 * block], -1, 1) - 0.5
    short["int16_first_2frames"] = np.round(first).astype(np.int16)
    stream = {
        "waveform": np.pad(whole, ((0, 0), (block, 0), (0, 0))),
        "mask": np.tile(np.arange(whole.shape[1] + block) >= block, (2, 1)),
    }
    return {"decode": decode, "decode_short": short, "decode_stream": stream}


def record_encode(net, rng):
    block = SPECTROSTREAM["samples_per_frame"]
    waveform = rng.standard_normal((2, 7 * block, 2)).astype(np.float32) * 0.3
    frames = np.array([0, 1, 5, 27])
    embeddings = net.encode(waveform)
    codes, margins = net.quantize(embeddings)
    encode = {
        "waveform": waveform,
        "stft": net.stft(waveform)[:, frames],
        "stft_frames": frames,
        "embeddings": embeddings,
        "codes": codes,
        "margins": margins,
    }
    odd = waveform[:1, : 3 * block + 31]
    spectrum = net.stft(odd)
    inner = net.encode(odd)
    codes, margins = net.quantize(inner)
    encode_odd = {
        "waveform": odd,
        "stft_shape": np.array(spectrum.shape),
        "stft_last2": spectrum[:, -2:],
        "embeddings": inner,
        "codes": codes,
        "margins": margins,
        "mono_embeddings_first4frames": net.encode(waveform[:1, : 4 * block, :1]),
    }
    late = np.concatenate([np.zeros_like(embeddings[:, :1]), embeddings[:, :-1]], axis=1)
    stream = {"embeddings": late, "mask": np.tile(np.arange(late.shape[1]) > 0, (2, 1))}
    return {"encode": encode, "encode_odd": encode_odd, "encode_stream": stream}


def record_blocks(net, rng):
    features = net.stft(rng.standard_normal((1, 8 * 24, 2)).astype(np.float32)).astype(np.float32)
    embeddings = rng.standard_normal((1, 3, SPECTROSTREAM["num_features"])).astype(np.float32)
    encoder = net.encoder_blocks(features).items()
    decoder = net.decoder_blocks(embeddings).items()
    return {
        "encoder_in": features,
        "decoder_in": embeddings,
        **{f"enc_{name}": value for name, value in encoder},
        **{f"dec_{name}": value for name, value in decoder},
    }


def manifest(weights):
    return {
        "tensors": {
            name: {"shape": list(array.shape), "crc32": zlib.crc32(array.tobytes())}
            for name, array in sorted(weights.items())
        }
    }


def narrow(array):
    array = np.asarray(array)
    if array.dtype.kind == "f":
        return array.astype(np.float32)
    return array.astype(np.int32) if array.dtype.kind == "i" and array.itemsize > 2 else array


def save(folder, config, files, weights):
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    for name, arrays in files.items():
        np.savez_compressed(
            folder / f"{name}.npz", **{key: narrow(array) for key, array in arrays.items()}
        )
    for name, arrays in weights.items():
        save_file(arrays, folder / f"{name}.safetensors")


def make_depthformer():
    shapes = depthformer_shapes(DEPTHFORMER)
    weights = {name: initial(name, shape) for name, shape in shapes.items()}
    net = DepthformerByHand(DEPTHFORMER, weights)
    recorded, more = record_depthformer(net, np.random.default_rng(2))
    stored = {f"target/{name}": array for name, array in weights.items()}
    files = {"recorded": recorded, "recorded_more": more}
    save(HERE / "depthformer", DEPTHFORMER, files, {"weights": stored})


def make_spectrostream():
    shapes = spectrostream_shapes(SPECTROSTREAM)
    weights = {name: initial(name, shape) for name, shape in shapes.items()}
    net, rng = SpectroStreamByHand(SPECTROSTREAM, weights), np.random.default_rng(3)
    files = {
        **record_decode(net, rng),
        **record_encode(net, rng),
        "blocks": record_blocks(net, rng),
    }
    stored = {
        part: {f"params/{n}": a for n, a in weights.items() if n.startswith(f"{part}/")}
        for part in ("encoder", "decoder", "quantizer")
    }
    folder = HERE / "spectrostream"
    save(folder, SPECTROSTREAM, files, stored)
    (folder / "manifest.json").write_text(json.dumps(manifest(weights), indent=1) + "\n")


if __name__ == "__main__":
    make_depthformer()
    make_spectrostream()
