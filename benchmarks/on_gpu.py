"""One step of the measurements that `benchmarks/on_gpu.sh` makes on an accelerator.

    python benchmarks/on_gpu.py machine --json figures.json
    python benchmarks/on_gpu.py chunk --json figures.json --size base --rows 1
    python benchmarks/on_gpu.py tables --json figures.json

Every step adds its figures to the file under a key of its own, or why it failed, and `tables`
prints the file as the tables of docs/performance.md. Weights are random. No audio file is written,
and neither Ray nor soundfile is needed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from functools import partial
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from gpu.figures import keep, kept, key, peak_gb, tables

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "tests" / "golden"
CODECS = {"tiny": "tiny", "demo": "demo", "base": "full", "large": "full"}
# Recordings of the originals, and the type of the activations; None = the network has one.
RECORDINGS = (("depthformer", "float32"), ("depthformer", "bfloat16"), ("spectrostream", None))
# The stages that take the most time.
LONGEST = ("sample", "decode")


def machine(args: argparse.Namespace) -> dict[str, Any]:
    """Returns what computes, and with which versions."""
    import jax
    import numpy as np

    device = jax.devices()[0]
    return {
        "device": device.device_kind,
        "platform": device.platform,
        "devices": len(jax.devices()),
        "memory_gb": (device.memory_stats() or {}).get("bytes_limit", 0) / 1e9,
        "python": platform.python_version(),
        "jax": jax.__version__,
        "numpy": np.__version__,
        "processors": os.cpu_count(),
    }


def parity(args: argparse.Namespace) -> dict[str, Any]:
    """Holds both networks against the recordings, Depthformer in both types of activations."""
    from soundstage.verification.checks import verify

    found = {}
    for name, dtype in RECORDINGS:
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / name
            shutil.copytree(GOLDEN / name, copy)
            if dtype:
                config = json.loads((copy / "config.json").read_text())
                (copy / "config.json").write_text(json.dumps(config | {"activation_dtype": dtype}))
            report = verify(copy)
        failed = [row.name for row in report.rows if row.status == "FAIL"]
        found[f"{name} {dtype or 'float32'}"] = {
            "passed": report.passed,
            "compared": report.count("ok") + len(failed),
            "failed": failed,
        }
    return found


def fused(args: argparse.Namespace) -> dict[str, Any]:
    """Compares tokens of fused steps with those of XLA's, in float32, one row.

    `base`, and on a processor, where fused steps are interpreted, two frames of `tiny`.
    """
    import jax
    import numpy as np
    from depthformer_chunk import prompts

    from soundstage.graph.format import Format
    from soundstage.stages.depthformer.config import BASE, TINY
    from soundstage.stages.depthformer.loading import load_depthformer
    from soundstage.stages.depthformer.sampler import ChunkSampler
    from soundstage.stages.weights.sources import open_source

    device, form = jax.devices()[0], Format()
    config, frames = (BASE, 12) if device.platform == "gpu" else (TINY, 2)
    network = load_depthformer(config, open_source("random:0"), device)[0]
    prompt, unprompted = prompts(1, form)
    same = {"temperature": 1.1, "top_k": 40, "guidance": 5.0, "seed": 7, "chunk": 0}
    inputs = {name: np.full(1, value) for name, value in same.items()}
    inputs |= {"prompt": prompt, "unprompted": unprompted}
    tokens = [ChunkSampler(network, frames, fused=each)(**inputs) for each in (False, True)]
    return {"frames": frames, "equal_tokens": float((tokens[0] == tokens[1]).mean())}


def chunk(args: argparse.Namespace) -> dict[str, Any]:
    """Times one chunk of the Depthformer, guided, with top k, for each number of rows."""
    import jax
    import numpy as np
    from depthformer_chunk import prompts, seconds

    from soundstage.graph.format import Format
    from soundstage.stages.depthformer import Sample, SampleOnBeat
    from soundstage.stages.depthformer.config import config_of_size
    from soundstage.stages.depthformer.stage import SampleParams

    device, form = jax.devices()[0], Format()
    on_beat = bool(config_of_size(args.size).past_levels)
    stage = SampleOnBeat if on_beat else Sample
    if args.products == "fused" and device.platform != "gpu":
        return {"not run": "fused products are for GPUs"}
    params = SampleParams("random:0", args.size, args.dtype, args.products)
    sample = stage(params, form, device)
    found = {}
    for rows in args.rows:
        prompt, unprompted = prompts(rows, form)
        same = {"temperature": 1.1, "top_k": 40, "guidance": 5.0, "seed": 7, "chunk": 0}
        inputs = {name: np.full(rows, value) for name, value in same.items()}
        inputs |= {"prompt": prompt, "unprompted": unprompted}
        if on_beat:
            inputs["beats"] = np.zeros((rows, form.dims["window_frame"]), np.float32)
            inputs["sound"] = np.zeros((rows, form.dims["sound_number"]), np.float32)
        run = partial(sample, **inputs)
        start = time.perf_counter()
        first = run()["tokens"]
        first_s = time.perf_counter() - start
        taken_s = seconds(lambda run=run: run()["tokens"], args.repeats)
        found[str(rows)] = {
            "chunk_s": taken_s,
            "times_real_time": rows * form.chunk_s / taken_s,
            "first_s": first_s,
            "peak_gb": peak_gb(device),
            "same_bytes_again": bool(np.array_equal(first, run()["tokens"])),
        }
        keep(args, found)
    return found


def frames(args: argparse.Namespace) -> dict[str, Any]:
    """Times ticks of one frame of Magenta RealTime 2's `step` for each number of streams.

    `small`, and on a processor `tiny`.
    """
    import jax
    import numpy as np

    from soundstage.graph.check import build
    from soundstage.runners.api import read_spec
    from soundstage.stages.magenta_rt2 import Step
    from soundstage.stages.magenta_rt2.params import FrameModelParams

    device, found = jax.devices()[0], {}
    on_gpu = device.platform == "gpu"
    if args.products == "fused" and not on_gpu:
        return {"not run": "fused products are for GPUs"}
    form = build(read_spec("mrt2-small" if on_gpu else "mrt2-tiny")).format
    size: Any = "small" if on_gpu else "tiny"
    step = Step(FrameModelParams("random:0", size, products=args.products), form, device)
    for rows in args.rows:
        inputs = {
            name: np.zeros((rows, *(form.dims[dim] for dim in port.shape)), port.dtype)
            for name, port in Step.inputs.items()
            if name not in ("top_p", "min_p")
        }
        inputs["context"] = inputs["context"] - 1
        memo = step.rebuild(**{name: inputs[name] for name in Step.memo})
        taken_s = []
        for _ in range(20 * args.repeats):
            start = time.perf_counter()
            outputs, memo = step(**inputs, memo=memo)
            taken_s.append(time.perf_counter() - start)
            inputs |= {name: outputs[name] for name in Step.memo}
        found[str(rows)] = {"frame_s": float(np.median(taken_s)), "peak_gb": peak_gb(device)}
        keep(args, found)
    return found


def decode(args: argparse.Namespace) -> dict[str, Any]:
    """Times the codec: a chunk decoded, and ten seconds encoded."""
    import jax
    import numpy as np
    from depthformer_chunk import seconds

    from soundstage.graph.format import Format
    from soundstage.stages.spectrostream.codec import load_codec
    from soundstage.stages.spectrostream.stage import CodecParams
    from soundstage.stages.weights.sources import open_source

    device, form = jax.devices()[0], Format()
    config = CodecParams("random:0", CODECS[args.size]).config
    codec, found = load_codec(config, open_source("random:0"), device)[0], {}
    levels = min(form.codec_levels, config.levels)
    for rows in args.rows:
        codes = np.zeros((rows, form.dims["frame"] + form.fade_frames, levels), np.int32)
        samples = round(form.context_s * form.sample_rate_hz)
        audio = np.zeros((rows, samples, config.channels), np.float32)
        decoding = partial(codec.decode, codes, past_lookahead=True)
        decoded_s = seconds(decoding, args.repeats)
        encoded_s = seconds(partial(codec.encode, audio, levels), args.repeats)
        found[str(rows)] = {
            "decode_chunk_s": decoded_s,
            "encode_10_s_s": encoded_s,
            "peak_gb": peak_gb(device),
            "same_bytes_again": bool(np.array_equal(decoding(), decoding())),
        }
        keep(args, found)
    return found


def pipeline(args: argparse.Namespace) -> dict[str, Any]:
    """Times the whole pipeline, a chunk after the other and with chunks made ahead."""
    found: dict[str, Any] = {}
    for rows in args.rows:
        apart = _chunk_seconds(args, rows, lookahead=0)
        ahead = _chunk_seconds(args, rows, lookahead=2)
        found[str(rows)] = {"one_after_the_other": apart, "chunks_ahead": ahead}
        keep(args, found)
    return found


def shared(args: argparse.Namespace) -> dict[str, Any]:
    """Times the whole pipeline with two stages pinned to one device, with shares."""
    import jax

    shares = {"sample": 0.75, "decode": 0.25}
    pinned = [f"{stage}={{ device = 'gpu:0', gpus = {share} }}" for stage, share in shares.items()]
    if jax.devices()[0].platform == "cpu":  # a trial
        pinned = [f"{stage}=cpu" for stage in shares]
    found: dict[str, Any] = {"placements": pinned}
    found["local"] = _chunk_seconds(args, 1, lookahead=2, placements=pinned)
    if find_spec("ray") is None:
        found["ray"] = "Ray is not installed: shares were not enforced"
    else:
        found["ray"] = _chunk_seconds(args, 1, lookahead=2, placements=pinned, runner="ray")
    return found


def _chunk_seconds(
    args: argparse.Namespace, rows: int, lookahead: int, **named: Any
) -> dict[str, Any]:
    """Returns the median seconds from chunk to chunk, and of each stage."""
    import numpy as np

    import soundstage

    with soundstage.open(
        "demo" if args.size == "demo" else "tiny",
        rows=[{"seed": seed} for seed in range(rows)],
        settings=_settings(args),
        lookahead=lookahead,
        warm_up=True,
        **named,
    ) as session:
        next(session)
        whole, stages, start = [], [], time.perf_counter()
        for made in islice(session, args.chunks):
            whole.append(time.perf_counter() - start)
            stages.append(made.seconds)
            start = time.perf_counter()
        chunk_s = session.graph.format.chunk_s
    median = float(np.median(whole))
    return {
        "chunk_s": median,
        "times_real_time": rows * chunk_s / median,
        **{f"{name}_s": float(np.median([one[name] for one in stages])) for name in LONGEST},
    }


def _settings(args: argparse.Namespace) -> list[str]:
    """Returns the overrides that make `tiny` as large as a published model, with random weights."""
    if args.size == "demo":  # a preset by itself
        return [f"sample.params.dtype={args.dtype}"]
    return [
        f"sample.params.size={args.size}",
        f"sample.params.dtype={args.dtype}",
        f"decode.params.size={CODECS[args.size]}",
    ]


def start(args: argparse.Namespace) -> dict[str, Any]:
    """Times new processes up to their first chunk: without compiled programs, and with them."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        cache = {"XDG_CACHE_HOME": folder, "JAX_COMPILATION_CACHE_DIR": f"{folder}/xla"}
        for name in ("cold", "with_cache", "with_cache_again"):
            began = time.perf_counter()
            words = [sys.executable, __file__, "first", "--size", args.size, "--dtype", args.dtype]
            subprocess.run(words, env=os.environ | cache, check=True)
            found[f"{name}_s"] = time.perf_counter() - began
            keep(args, found)
    return found


def first(args: argparse.Namespace) -> dict[str, Any]:
    """Makes one chunk, for `start`."""
    import soundstage

    preset = "demo" if args.size == "demo" else "tiny"
    with soundstage.open(preset, settings=_settings(args)) as session:
        return {"samples": int(next(session).outputs["audio"].shape[1])}


STEPS = {
    step.__name__: step
    for step in (machine, parity, fused, chunk, frames, decode, pipeline, start, shared, first)
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("step", choices=(*STEPS, "tables"))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--size", choices=tuple(CODECS), default="base")
    parser.add_argument("--rows", type=int, nargs="+", default=[1])
    parser.add_argument("--dtype", choices=("auto", "bfloat16", "float32"), default="auto")
    parser.add_argument("--products", choices=("auto", "fused"), default="auto")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--chunks", type=int, default=5)
    args = parser.parse_args()
    if args.step == "tables":
        print(tables(json.loads(args.json.read_text())))
        return
    try:
        found = STEPS[args.step](args)
    except Exception as error:
        traceback.print_exc()
        found = kept(args) | {"failed": f"{type(error).__name__}: {error}"[:500]}
    keep(args, found)
    print(f"{key(args)}: {json.dumps(found)}", flush=True)
    sys.exit("failed" in found)


if __name__ == "__main__":
    main()
