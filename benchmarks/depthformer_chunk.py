"""Times one guided chunk of the Depthformer, and compares it with a measured floor.

    python benchmarks/depthformer_chunk.py --size base --rows 1 --dtype float32
    python benchmarks/depthformer_chunk.py --size base --products packed

The floor is the time that arithmetic and memory need at least: the encoder's operations at the
speed of a large matrix product, and every byte that decoding must read (each layer's kernels once a
step, the keys and values of the prompt once a frame) at the speed of a sum over a large array.
The encoder is timed in turns with the product, and with attention for all heads at once, which CPUs
do not compute for long prompts. Weights are random. With packed products, for CPUs, --dtype is that
of the decoders' weights; all else is float32.
"""

import argparse
import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

sys.path.insert(0, str(Path(__file__).parents[1]))

from soundstage.graph.format import Format
from soundstage.stages.depthformer import layers
from soundstage.stages.depthformer.config import DepthformerConfig, config_of_size
from soundstage.stages.depthformer.loading import load_depthformer
from soundstage.stages.depthformer.model import Depthformer
from soundstage.stages.depthformer.sampler import ChunkSampler
from soundstage.stages.depthformer.vocabulary import Vocabulary
from soundstage.stages.row_groups import cores
from soundstage.stages.weights.networks import Network
from soundstage.stages.weights.sources import open_source

if TYPE_CHECKING:
    from soundstage.kernels.products import WeightType

# The width of the matrices whose product is timed in turns with the encoder, by size. It takes a
# second, so that the load of a moment does not decide. Other sizes need no exact floor.
SQUARES = {"base": 4096, "large": 4096}


@dataclass(frozen=True)
class DeviceSpeed:
    """The measured speed of a device: bytes read and floating-point operations a second."""

    bytes_per_s: float
    operations_per_s: float


def seconds(run: Callable[[], object], repeats: int) -> float:
    """Returns the median seconds of a call, after one call to warm up."""
    jax.block_until_ready(run())
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        jax.block_until_ready(run())
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def measure_device(device: jax.Device, dtype: str, mebibytes: int) -> DeviceSpeed:
    """Measures the sum of so many bytes, on all cores, and the product of 2048 x 2048 matrices."""
    numbers = np.ones(mebibytes * 2**18, np.float32)
    long, add = jax.device_put(numbers, device), jax.jit(jnp.sum)
    read_s = seconds(lambda: add(long), 7)
    if device.platform == "cpu":  # where all cores together may read faster than XLA's sum
        parts = np.array_split(numbers.view(np.float64), cores())
        with ThreadPoolExecutor(cores()) as threads:
            read_s = min(read_s, seconds(lambda: list(threads.map(np.sum, parts)), 7))
    return DeviceSpeed(long.nbytes / read_s, 2 * 2048**3 / seconds(product(device, dtype, 2048), 7))


def product(device: jax.Device, dtype: str, width: int) -> Callable[[], jax.Array]:
    """Makes a function that multiplies two matrices of `width` x `width`."""
    square = jax.device_put(np.ones((width, width), np.float32), device).astype(dtype)
    multiply = jax.jit(lambda x: jnp.matmul(x, x, precision="highest"))
    return lambda: multiply(square)


def encoder_operations(config: DepthformerConfig, batch: int, prompt: int) -> float:
    """Counts the operations of the encoder, and of its output's keys and values."""
    d, inner = config.embed_dim, config.num_heads * config.head_dim
    layer = 4 * d * inner + 3 * d * config.mlp_dim + 2 * prompt * inner
    seen = config.num_temporal_layers * 2 * d * inner
    return 2.0 * batch * prompt * (config.num_encoder_layers * layer + seen)


def decoder_bytes(
    config: DepthformerConfig, batch: int, prompt: int, frames: int, packed: int | None = None
) -> float:
    """Counts the bytes that decoding a chunk must read, without the small caches.

    Args:
        config: sizes, and the type of the activations.
        batch: sequences.
        prompt: tokens.
        frames: of the chunk.
        packed: bytes of a packed weight; None = XLA's products.
    """
    width = jnp.dtype(config.activation_dtype).itemsize
    weight, head_weight = (packed, packed) if packed else (width, 4)  # XLA's head is float32
    d, inner = config.embed_dim, config.num_heads * config.head_dim
    mlp = 3 * d * config.mlp_dim
    temporal = weight * (6 * d * inner + mlp) + width * 2 * batch * prompt * inner
    depth = config.num_depth_layers * (4 * d * inner + mlp) * weight
    steps = frames * config.num_levels
    head = head_weight * d * config.codebook_size
    return frames * config.num_temporal_layers * temporal + steps * (depth + head)


def decoder_operations(config: DepthformerConfig, batch: int, prompt: int, frames: int) -> float:
    """Counts the operations of decoding a chunk."""
    d, inner = config.embed_dim, config.num_heads * config.head_dim
    mlp = 3 * d * config.mlp_dim
    temporal = config.num_temporal_layers * (6 * d * inner + mlp + 2 * prompt * inner)
    depth = config.num_depth_layers * (4 * d * inner + mlp) + d * config.codebook_size
    return 2.0 * batch * frames * (temporal + config.num_levels * depth)


def decoder_seconds(
    speed: DeviceSpeed, work: tuple[DepthformerConfig, int, int, int], packed: int | None
) -> float:
    """Returns the seconds that a device takes at least to decode a chunk; see `decoder_bytes`."""
    read_s = decoder_bytes(*work, packed) / speed.bytes_per_s
    return max(read_s, decoder_operations(*work) / speed.operations_per_s)


def prompts(rows: int, format: Format) -> tuple[np.ndarray, np.ndarray]:
    """Packs random codes as prompts, with and without a style."""
    draw, dims = np.random.default_rng(0), format.dims
    context = draw.integers(
        0, format.codebook_size, (rows, dims["context_frame"], format.codec_levels)
    )
    style = draw.integers(0, format.codebook_size, (rows, format.style_levels))
    vocabulary = Vocabulary.of(format)
    prompt = vocabulary.pack(context, style)
    return prompt, vocabulary.unprompted(prompt)


def encoder(model: Depthformer, tokens: np.ndarray, device: jax.Device) -> Callable[[], object]:
    """Compiles the encoder and its output's keys and values."""
    graph, state = nnx.split(model)

    def run(state: nnx.State, tokens: jax.Array) -> object:
        model = nnx.merge(graph, state)
        return model.decoder.temporal_decoder.look_at(model.encode(tokens))

    put = jax.device_put(tokens, device)
    compiled = jax.jit(run).lower(state, put).compile()
    return lambda: compiled(state, put)


def time_encoder(
    model: Depthformer, tokens: np.ndarray, device: jax.Device, width: int, n: int
) -> dict[str, float]:
    """Times the encoder, one with attention for all heads at once, and a matrix product.

    In turns, so that other load slows the floor as much as the encoder; returns median seconds.
    """
    runs = {"multiply": product(device, model.config.activation_dtype, width)}
    runs["encoder"] = encoder(model, tokens, device)
    most, layers.SCORES_AT_ONCE = layers.SCORES_AT_ONCE, sys.maxsize
    runs["at once"] = encoder(model, tokens, device)
    layers.SCORES_AT_ONCE = most
    times: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(1 + n):
        for name, run in runs.items():
            start = time.perf_counter()
            jax.block_until_ready(run())
            if turn:
                times[name].append(time.perf_counter() - start)
    return {name: float(np.median(taken)) for name, taken in times.items()}


def report(rows: list[tuple[str, float, float]]) -> None:
    """Prints measurement and floor side by side."""
    print(f"{'':28}{'measured':>12}{'floor':>12}{'ratio':>8}")
    for name, measured, floor in rows:
        print(f"{name:28}{measured:12.4g}{floor:12.4g}{measured / floor:8.2f}")


def make_sampler(
    network: Network[Depthformer], frames: int, packed: "WeightType | None"
) -> Callable[..., np.ndarray]:
    """Makes a sampler with XLA's products, or with packed weights of some type."""
    if packed is None:
        return ChunkSampler(network, frames)
    # Machines with accelerators need no Numba.
    from soundstage.stages.depthformer.packed.packed_chunk_sampler import PackedChunkSampler

    return PackedChunkSampler(network, frames, packed)


def time_chunk(sample: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Returns the seconds of the first call, which compiles, and the median of the next ones."""
    start = time.perf_counter()
    sample()
    first_s = time.perf_counter() - start
    return first_s, seconds(sample, repeats)


def main() -> None:
    """Reads the command line, measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=("tiny", "demo", "base", "large"), default="base")
    parser.add_argument("--rows", type=int, default=1)
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--products", choices=("xla", "packed"), default="xla")
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    packed = args.dtype if args.products == "packed" else None
    device, format = jax.devices()[0], Format()
    dtype = "float32" if packed else args.dtype
    config = replace(config_of_size(args.size), activation_dtype=dtype)
    speed = measure_device(device, dtype, 8 if args.size == "tiny" else 512)

    start = time.perf_counter()
    network, _, _ = load_depthformer(config, open_source("random:0"), device)
    load_s = time.perf_counter() - start
    given = prompts(args.rows, format)
    work = config, 2 * args.rows, given[0].shape[1], format.dims["frame"]
    same = {"temperature": 1.1, "top_k": 40, "guidance": 5.0, "seed": 7, "chunk": 0}
    controls = {name: np.full(args.rows, value) for name, value in same.items()}
    sampler = make_sampler(network, work[-1], packed)
    first_s, chunk_s = time_chunk(lambda: sampler(*given, **controls), args.repeats)
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    width = SQUARES.get(args.size, 512)
    times = time_encoder(network.module, np.concatenate(given), device, width, args.repeats)

    encoder_s, operation_s = times["encoder"], times["multiply"] / (2 * width**3)
    encoder_floor = encoder_operations(*work[:-1]) * operation_s
    decoder_floor = decoder_seconds(speed, work, jnp.dtype(args.dtype).itemsize if packed else None)
    steps = work[-1] * config.num_levels
    print(f"Depthformer {args.size}, {args.dtype}, products {args.products}, on {device}:")
    print(
        f"{args.rows} row(s) guided; this device reads {speed.bytes_per_s / 1e9:.1f} GB/s, "
        f"multiplies at {speed.operations_per_s / 1e9:.0f} GFLOP/s"
    )
    report(
        [
            ("chunk, s", chunk_s, encoder_floor + decoder_floor),
            ("  encoder, s", encoder_s, encoder_floor),
            ("  all heads at once, s", times["at once"], encoder_floor),
            (f"  {steps} steps, s", chunk_s - encoder_s, decoder_floor),
            ("  one step, ms", (chunk_s - encoder_s) / steps * 1e3, decoder_floor / steps * 1e3),
        ]
    )
    print(f"real-time factor {args.rows * format.chunk_s / chunk_s:.2f} ({args.rows} row(s))")
    print(f"loading {load_s:.1f} s, first chunk {first_s:.1f} s with compilation")
    print(f"peak memory of the process {peak_gb:.2f} GB")
    if device.memory_stats():
        print(
            f"peak memory of the device {device.memory_stats()['peak_bytes_in_use'] / 1e9:.2f} GB"
        )


if __name__ == "__main__":
    main()
