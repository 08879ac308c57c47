"""Times SpectroStream's decoder and encoder, and compares them with a measured floor.

    python benchmarks/spectrostream_codec.py --size full --frames 51 --seconds 10
    python benchmarks/spectrostream_codec.py --size full --frames 51 --streaming

The floor is the time of the networks' operations at the speed of a large matrix product on the same
device. The decoder is timed twice with the same weights: unchanged, and with transposed
convolutions over inserted zeros, as libraries compute them. Weights are random.

With --streaming, the same chunk of music is also decoded in streaming mode. It has one frame fewer,
because streaming needs no overlap.
"""

import argparse
import math
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

sys.path.insert(0, str(Path(__file__).parents[1]))

from soundstage.stages.spectrostream.blocks import unit_taps
from soundstage.stages.spectrostream.codec import Codec, load_codec
from soundstage.stages.spectrostream.config import DEMO, FULL, TINY, SpectroStreamConfig, UnitShape
from soundstage.stages.spectrostream.streaming import MemoryLayout
from soundstage.stages.weights.sources import open_source

# The width of the matrices whose product measures the device, by size. At size
# tiny this program is only tried, and needs no exact floor.
SQUARES = {"tiny": 512, "demo": 4096, "full": 4096}
SIZES = {"tiny": TINY, "demo": DEMO, "full": FULL}


def upsample_by_zeros(x: jax.Array, kernel: jax.Array, stride: tuple[int, int]) -> jax.Array:
    """Computes a transposed convolution by its definition, mostly with zeros."""
    (time_taps, bin_taps), (time_stride, bin_stride) = kernel.shape[:2], stride
    around = bin_taps + bin_stride - 2
    before = -(-around // 2)
    padding = ((time_taps - 1, time_stride - 1), (before, around - before))
    return lax.conv_general_dilated(
        x,
        kernel,
        (1, 1),
        padding,
        lhs_dilation=stride,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        precision=lax.Precision.HIGHEST,
    )


def times_in_turn(
    runs: dict[str, Callable[[], object]], repeats: int
) -> dict[str, tuple[float, float]]:
    """Times calls in turns, after one to warm up; returns each one's least and median seconds.

    In turns, so that other load slows the floor as much as the measured calls.
    """
    times: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(1 + repeats):
        for name, run in runs.items():
            start = time.perf_counter()
            jax.block_until_ready(run())
            if turn:
                times[name].append(time.perf_counter() - start)
    return {name: (min(taken), float(np.median(taken))) for name, taken in times.items()}


def matrix_product(device: jax.Device, width: int) -> Callable[[], jax.Array]:
    """Makes a function that multiplies two float32 matrices of `width` x `width`."""
    square = jax.device_put(np.ones((width, width), np.float32), device)
    multiply = jax.jit(lambda x: jnp.matmul(x, x, precision="highest"))
    return lambda: multiply(square)


def unit_operations(
    shape: UnitShape, first_out: int, places_in: float, places_between: float, places_out: float
) -> float:
    """Counts the operations of a residual unit with `places_between` outputs of the first layer."""
    strided = math.prod(unit_taps(shape.stride))
    if places_out > places_in:  # every input of a transposed convolution meets every tap once
        body = places_in * strided * shape.width_in * first_out
        body += places_out * 9 * first_out * shape.width_out
    else:
        body = places_between * 9 * shape.width_in * first_out
        body += places_out * strided * first_out * shape.width_out
    shortcut = min(places_in, places_out) * shape.width_in * shape.width_out * shape.projects
    return 2.0 * (body + shortcut)


def decoder_operations(config: SpectroStreamConfig, frames: int) -> float:
    """Counts the operations of decoding `frames` embeddings."""
    width, features, bins = config.decoder_width, config.features, config.bottom_bins
    flat = width * bins
    still = UnitShape(width, width, (1, 1), projects=False)
    places = frames * bins
    total = 2.0 * frames * flat * (2 * features + flat)
    total += unit_operations(still, width, places, places, places)
    for level, shape in enumerate(config.decoder_units):
        groups = config.channel_splits if level >= config.joint_levels else 1
        after = places * math.prod(shape.stride)
        total += groups * unit_operations(shape, shape.width_out, places, after, after)
        places = after
    taps = config.decoder_base_kernel**2
    return total + 2.0 * places * taps * config.decoder_units[-1].width_out * (
        config.feature_channels
    )


def encoder_operations(config: SpectroStreamConfig, stft_frames: int) -> float:
    """Counts the operations of encoding `stft_frames` frames of the spectrum."""
    shapes = config.encoder_units
    places: float = stft_frames * config.bins
    taps = config.encoder_base_kernel**2
    total = 2.0 * places * taps * config.feature_channels * config.encoder_base
    for level, shape in enumerate(shapes):
        groups = config.channel_splits if level < len(shapes) - config.joint_levels else 1
        after = places / math.prod(shape.stride)
        total += groups * unit_operations(shape, shape.width_in, places, places, after)
        places = after
    width = shapes[-1].width_out
    flat = width * config.bottom_bins
    still = UnitShape(width, width, (1, 1), projects=False)
    total += unit_operations(still, width, places, places, places)
    return total + 2.0 * places / config.bottom_bins * flat * (flat + 2 * config.features)


def random_codes(config: SpectroStreamConfig, rows: int, frames: int) -> np.ndarray:
    levels = min(16, config.levels)
    draw = np.random.default_rng(0)
    return draw.integers(0, config.codes, (rows, frames, levels)).astype(np.int32)


def loaded(config: SpectroStreamConfig, device: jax.Device, by_zeros: bool) -> Codec:
    source = open_source("random:0")
    if by_zeros:
        parts = ("decoder", "quantizer")
        return load_codec(config, source, device, parts, upsample=upsample_by_zeros)[0]
    return load_codec(config, source, device)[0]


def report(
    args: argparse.Namespace,
    config: SpectroStreamConfig,
    times: dict[str, tuple[float, float]],
) -> None:
    """Prints measurements and floors side by side."""
    stft_frames = math.ceil(args.seconds * config.sample_rate_hz / config.hop_samples)
    seen = args.frames + config.decoder_lookahead
    decoding = args.rows * decoder_operations(config, seen)
    encoding = args.rows * encoder_operations(config, stft_frames)
    speed = 2 * SQUARES[args.size] ** 3 / times["multiply"][0]
    decoded_s = args.rows * args.frames * config.frame_samples / config.sample_rate_hz
    print(f"this device multiplies at {speed / 1e9:.0f} GFLOP/s")
    print(f"{'':32}{'GFLOP':>8}{'floor, s':>10}{'best, s':>10}{'median, s':>10}{'real time':>12}")
    lines = [
        (f"decode {args.frames} frames", "decode", decoding, decoded_s),
        ("  the same over inserted zeros", "zeros", decoding, decoded_s),
        (f"encode {args.seconds:g} s", "encode", encoding, args.rows * args.seconds),
    ]
    if args.streaming:
        streamed = args.rows * decoder_operations(config, args.frames - 1)
        streamed_s = decoded_s * (args.frames - 1) / args.frames
        lines.insert(1, (f"  {args.frames - 1} frames, streaming", "stream", streamed, streamed_s))
    for name, key, operations, sound_s in lines:
        best, median = times[key]
        print(
            f"{name:32}{operations / 1e9:8.1f}{operations / speed:10.4f}{best:10.4f}"
            f"{median:10.4f}{sound_s / best:10.1f} x"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=tuple(SIZES), default="full")
    parser.add_argument("--rows", type=int, default=1)
    parser.add_argument("--frames", type=int, default=51, help="code frames to decode")
    parser.add_argument("--seconds", type=float, default=10.0, help="seconds of audio to encode")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--streaming", action="store_true", help="also decode in streaming mode")
    args = parser.parse_args()
    device, config = jax.devices()[0], SIZES[args.size]
    print(f"SpectroStream {args.size}, float32, {args.rows} row(s), random weights, on {device}")

    start = time.perf_counter()
    codec = loaded(config, device, by_zeros=False)
    load_s = time.perf_counter() - start
    codes = random_codes(config, args.rows, args.frames)
    shape = (args.rows, round(args.seconds * config.sample_rate_hz), config.channels)
    audio = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    runs: dict[str, Callable[[], object]] = {
        "multiply": matrix_product(device, SQUARES[args.size]),
        "decode": lambda: codec.decode(codes, past_lookahead=True),
        "encode": lambda: codec.encode(audio, codes.shape[-1]),
    }
    if args.streaming:
        memory = np.zeros((args.rows, MemoryLayout(config).size), np.float32)
        runs["stream"] = lambda: codec.decode_streaming(codes[:, 1:], memory)[0]
    times_in_turn(runs, 1)
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    zeros = loaded(config, device, by_zeros=True)
    runs["zeros"] = lambda: zeros.decode(codes, past_lookahead=True)
    report(args, config, times_in_turn(runs, args.repeats))
    same = np.abs(zeros.decode(codes) - codec.decode(codes)).max()
    print(f"the two decoders differ by {same:.1e} at most")
    print(
        f"loading {load_s:.1f} s; peak memory of the process {peak_gb:.2f} GB (without the zeros)"
    )
    if device.memory_stats():
        peak_bytes = device.memory_stats()["peak_bytes_in_use"]
        print(f"peak memory of the device {peak_bytes / 1e9:.2f} GB")


if __name__ == "__main__":
    main()
