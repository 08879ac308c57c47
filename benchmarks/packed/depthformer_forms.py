"""Compares the forms of a Depthformer's weights on a CPU: XLA's products, and packed weights.

    python benchmarks/packed/depthformer_forms.py --preset demo --rows 8 --repeats 7
    python benchmarks/packed/depthformer_forms.py --size base --rows 1 --repeats 5

With --preset, the sampling stage of the preset gets the inputs of its own third chunk, in batches
of one row and of --rows, all forms in turns. Then the logits of rounded weights are compared with
those of float32 on the music of that chunk, teacher-forced: how often the likeliest code is the
same, how often the same noise chooses the same code, and the Kullback-Leibler divergence.

With --size, weights are random, prompts are short, and a frame's time is the difference between
chunks of 1 and 11 frames. The floor is the time to read the weights that a frame uses, each as
often as it is used, at the speed of the same run on all cores. What whole prompts add to a chunk of
1 frame stands behind it: the time to read 878 tokens more.

CPU seconds stand beside wall seconds, because those depend on what else runs.
"""

import argparse
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial, wraps
from pathlib import Path
from typing import Any
from unittest.mock import patch

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[1]))

from depthformer_chunk import decoder_bytes, prompts

import soundstage
from soundstage.graph.format import Format
from soundstage.kernels.products import BYTES, WeightType
from soundstage.stages.depthformer import SampleOnBeat
from soundstage.stages.depthformer.conditions import FREE, Conditions
from soundstage.stages.depthformer.config import config_of_size
from soundstage.stages.depthformer.loading import load_depthformer
from soundstage.stages.depthformer.model import Depthformer
from soundstage.stages.depthformer.packed.packed_chunk_sampler import PackedChunkSampler
from soundstage.stages.depthformer.sampler import ChunkSampler
from soundstage.stages.depthformer.stage import SampleParams
from soundstage.stages.depthformer.vocabulary import CODEC_OFFSET, PAD
from soundstage.stages.row_groups import cores
from soundstage.stages.weights.sources import open_source

FORMS: dict[str, dict[str, Any]] = {
    "xla": {"dtype": "float32", "products": "xla"},
    "packed": {"dtype": "float32", "products": "packed"},
    "bfloat16": {"dtype": "bfloat16", "products": "packed"},
    "int8": {"dtype": "int8"},
}
PROMPT_TOKENS, FRAMES, WHOLE = 128, (1, 11), "whole prompts"
READ_BYTES = 256 << 20
Runs = Mapping[Any, Callable[[], object]]


def timed(runs: Runs, repeats: int) -> dict[Any, np.ndarray]:
    """Times calls in turns after one to warm up; by name [repeat, 2], wall and CPU seconds."""
    times: dict[Any, list[tuple[float, float]]] = {name: [] for name in runs}
    for repeat in range(repeats + 1):
        for name, run in runs.items():
            start, start_cpu = time.perf_counter(), time.process_time()
            run()
            taken = time.perf_counter() - start, time.process_time() - start_cpu
            if repeat:
                times[name].append(taken)
    return {name: np.array(taken) for name, taken in times.items()}


def chunk_inputs(preset: str, rows: int) -> dict[str, np.ndarray]:
    """Returns the sampling stage's inputs for the third chunk of some rows."""
    given: list[dict[str, np.ndarray]] = []
    call = SampleOnBeat.__call__

    @wraps(call)
    def recorded(stage: SampleOnBeat, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        given.append(inputs)
        return call(stage, **inputs)

    with patch.object(SampleOnBeat, "__call__", recorded):
        seeds = [{"seed": seed} for seed in range(rows)]
        with soundstage.open(preset, rows=seeds, prompts=["disco funk"]) as session:
            for _ in range(3):
                next(session)
    return given[2]


def compare_batches(preset: str, rows: int, repeats: int) -> None:
    """Prints the time of a chunk of one row and of a batch, and what rounded weights change."""
    graph, inputs = soundstage.load(preset), chunk_inputs(preset, rows)
    params = graph.spec.stage["sample"].params
    one = {name: value[:1] for name, value in inputs.items()}
    device, runs = jax.devices("cpu")[0], {}
    for form, settings in FORMS.items():
        stage = SampleOnBeat(SampleParams(**params, **settings), graph.format, device)
        for count, given in ((1, one), (rows, inputs)):
            runs[form, count] = lambda stage=stage, given=given: stage(**given)
    tokens = {name: np.asarray(run()["tokens"]) for name, run in runs.items()}
    times = timed(runs, repeats)
    for form in FORMS:
        single, batch = times[form, 1], times[form, rows]
        ratio, against = (rows * t.min(0) / batch.min(0) for t in (single, times["xla", 1]))
        equal = np.mean(tokens[form, rows] == tokens["xla", rows])
        print(
            f"{form:8} 1 row {describe(single)}; {rows} rows {describe(batch)}; {rows} runs / "
            f"batch {ratio[0]:.2f} x (CPU {ratio[1]:.2f}), XLA runs {against[0]:.2f} x (CPU "
            f"{against[1]:.2f}); {100 * equal:.1f} % of the tokens are XLA's"
        )
    config = config_of_size(params["size"]).fitted(graph.format)
    for dtype in ("bfloat16", "int8"):
        network = load_depthformer(config, open_source(params["weights"]), device)[0]
        print(deviation(network.module, dtype, inputs, tokens["xla", rows]))


def describe(taken: np.ndarray) -> str:
    """Returns the least and the median of wall and CPU time, in ms."""
    least, median = 1e3 * taken.min(0), 1e3 * np.median(taken, 0)
    return f"{least[0]:.0f} ms (median {median[0]:.0f}), CPU {least[1]:.0f} ({median[1]:.0f})"


def deviation(
    model: Depthformer, dtype: WeightType, inputs: Mapping[str, np.ndarray], tokens: np.ndarray
) -> str:
    """Compares the choices of a network with those of its weights, rounded to other numbers."""
    temperature = inputs["temperature"][:, None, None, None]
    exact = guided_logits(model, inputs, tokens) / temperature
    round_weights(model, dtype)
    rough = guided_logits(model, inputs, tokens) / temperature
    noise = np.random.default_rng(0).gumbel(size=exact.shape)
    shares = jax.nn.log_softmax(exact), jax.nn.log_softmax(rough)
    divergence = np.sum(np.exp(shares[0]) * (shares[0] - shares[1]), axis=-1)
    measures = {
        "the likeliest code is the same": exact.argmax(-1) == rough.argmax(-1),
        "the same noise chooses the same code": (exact + noise).argmax(-1)
        == (rough + noise).argmax(-1),
        "divergence, nats": divergence,
    }
    lines = [f"{dtype} against float32, teacher-forced, all levels and level 0:"]
    lines += [
        f"  {name}: {np.mean(part):.4f}, {np.mean(part[:, :, 0]):.4f}"
        for name, part in measures.items()
    ]
    entropy = -np.sum(np.exp(shares[0]) * shares[0], axis=-1)
    return "\n".join([*lines, f"  entropy of float32: {entropy.mean():.3f} nats"])


def guided_logits(
    model: Depthformer, inputs: Mapping[str, np.ndarray], tokens: np.ndarray
) -> np.ndarray:
    """Returns the logits of the steps that made tokens: float32 [row, T, L, codes]."""
    asked, past_levels = inputs["sound"], model.config.past_levels
    frames, levels = tokens.shape[1:]
    sound = np.full((*inputs["beats"].shape, asked.shape[-1]), FREE, np.float32)
    free = Conditions(np.full_like(inputs["beats"], FREE), sound.copy())
    sound[:, -frames:] = asked[:, None]
    starts = CODEC_OFFSET + model.config.codebook_size * np.arange(levels, dtype=np.int32)
    graph, state = nnx.split(model)

    @jax.jit
    def run(state: nnx.State, prompt: jax.Array, given: Conditions) -> jax.Array:
        model = nnx.merge(graph, state)
        past = given.beats.shape[1] - frames
        style = prompt[:, past * past_levels :]
        known = prompt[:, : past * past_levels].reshape(len(prompt), past, past_levels)
        whole = jnp.pad(known, ((0, 0), (0, 0), (0, levels - past_levels)))
        whole = jnp.concatenate([whole, jnp.asarray(tokens + starts)], axis=1)
        temporal = model.forced_sequence(model.encode(style), style, whole, given, PAD)
        normed = model.forced_depth(temporal[:, past:], whole[:, past:])[1]
        return model.own_level_logits(normed)

    weight = inputs["guidance"][:, None, None, None]
    prompted = np.asarray(run(state, inputs["prompt"], Conditions(inputs["beats"], sound)))
    unprompted = np.asarray(run(state, inputs["unprompted"], free))
    return (1 + weight) * prompted - weight * unprompted


def round_weights(model: Depthformer, dtype: WeightType) -> None:
    """Rounds a network's matrices in place, as "int8" rounds them, or to bfloat16."""
    for path, leaf in nnx.to_flat_state(nnx.state(model)):
        if path[-1] == "kernel" and "conditions" not in path:
            kernel = leaf[...]
            if dtype == "bfloat16":
                leaf.set_value(kernel.astype(jnp.bfloat16).astype(jnp.float32))
                continue
            scales = jnp.maximum(jnp.abs(kernel).max(axis=0, keepdims=True) / 127, 1e-30)
            leaf.set_value(jnp.round(kernel / scales) * scales)


def compare_frames(size: str, rows: int, repeats: int) -> None:
    """Prints the time of a frame beside its floor."""
    format = Format()
    network = load_depthformer(config_of_size(size), open_source("random:0"), None)[0]
    whole_prompts = prompts(rows, format)
    short_prompts = [part[:, -PROMPT_TOKENS:] for part in whole_prompts]
    values = {"temperature": 1.1, "top_k": 40, "guidance": 5.0, "seed": 7, "chunk": 0}
    controls = {name: np.full(rows, value) for name, value in values.items()}
    memory = np.ones((cores(), READ_BYTES // 8 // cores()), np.float64)
    with ThreadPoolExecutor(cores()) as threads:
        runs: dict[Any, Callable[[], object]] = {
            "memory": lambda: list(threads.map(np.sum, memory))
        }
        for frames in FRAMES:
            samplers = {
                "xla": ChunkSampler(network, frames),
                "packed": PackedChunkSampler(network, frames, "float32"),
                "bfloat16": PackedChunkSampler(network, frames, "bfloat16"),
                "int8": PackedChunkSampler(network, frames, "int8"),
            }
            for form, sampler in samplers.items():
                runs[form, frames] = partial(sampler, *short_prompts, **controls)
                if frames == 1:
                    runs[form, WHOLE] = partial(sampler, *whole_prompts, **controls)
        times = timed(runs, repeats)
    speed = memory.nbytes / times.pop("memory")[:, 0].min()
    work = network.config, 2 * rows, PROMPT_TOKENS, 1
    print(f"{size}, {rows} row(s) guided: all cores read {speed / 1e9:.1f} GB/s")
    for form in FORMS:
        first, last = (times[form, frames].min(0) for frames in FRAMES)
        frame = (last - first) / (FRAMES[1] - FRAMES[0])
        reading = times[form, WHOLE].min(0) - first
        floor = decoder_bytes(*work, BYTES.get(form, 4)) / speed
        print(
            f"{form:8} {1e3 * frame[0]:.1f} ms a frame, CPU {1e3 * frame[1]:.1f}, floor "
            f"{1e3 * floor:.1f}, {frame[0] / floor:.2f} x; whole prompts add {reading[0]:.2f} s, "
            f"CPU {reading[1]:.2f}"
        )


def main() -> None:
    """Reads the command line, measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--preset", help="a preset whose sample stage is SampleOnBeat")
    what.add_argument("--size", choices=("tiny", "base", "large"))
    parser.add_argument("--rows", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    if args.preset:
        compare_batches(args.preset, args.rows, args.repeats)
    else:
        compare_frames(args.size, args.rows, args.repeats)


if __name__ == "__main__":
    main()
