"""The speed of a pipeline's start and of its chunks, measured in a separate process.

    PYTHONPATH=.:benchmarks python -m evaluation.speed --pipeline demo.toml --cache FOLDER

prints a `Timing` as JSON. FOLDER is the compilation cache; an empty one gives a cold start.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from evaluation.player import PipelineChoice
from evaluation.table import Row, Section

# ru_maxrss is in kilobytes, but in bytes on macOS.
MEMORY_UNIT_BYTES = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True)
class Timing:
    """The timing of one process.

    Attributes:
        opened_s: seconds from the start of the process to an open session, imports and weights
            included.
        first_s: seconds from then to the first chunk, compilation included.
        chunks_s: seconds of each later chunk.
        chunk_s: duration of a chunk's audio.
        peak_bytes: peak memory.
    """

    opened_s: float
    first_s: float
    chunks_s: list[float]
    chunk_s: float
    peak_bytes: int


def speed_section(choice: PipelineChoice, chunks: int) -> Section:
    """Times the pipeline twice: with an empty compilation cache, then with the filled one."""
    with TemporaryDirectory() as folder:
        cold = timed(choice, chunks, Path(folder))
        warm = timed(choice, chunks, Path(folder))
    rows: list[Row] = [
        {
            "start": name,
            "open s": timing.opened_s,
            "first chunk s": timing.first_s,
            "median chunk s": float(np.median(timing.chunks_s)),
            "slowest chunk s": max(timing.chunks_s),
            "times real time": timing.chunk_s / float(np.median(timing.chunks_s)),
            "peak memory GB": timing.peak_bytes / 1e9,
        }
        for name, timing in (("cold", cold), ("warm", warm))
    ]
    note = f"""One row, {chunks} successive chunks of {warm.chunk_s:g} s without lookahead, in a
        new process each; "cold" compiles everything, "warm" reads the compilation cache. Live play
        needs at least 1 times real time."""
    return Section("Speed", note, rows)


def timed(choice: PipelineChoice, chunks: int, cache: Path) -> Timing:
    """Times a pipeline in a new process.

    Args:
        choice: the pipeline.
        chunks: number of timed chunks after the first.
        cache: folder of compiled programs.

    Raises:
        subprocess.CalledProcessError: the process failed; its standard error says why.
    """
    command = [sys.executable, "-m", __name__, "--chunks", str(chunks), "--cache", str(cache)]
    if choice.preset is not None:
        command += ["--preset", choice.preset]
    if choice.pipeline is not None:
        command += ["--pipeline", str(choice.pipeline.resolve())]
    root = Path(__file__).parents[2]
    path = os.pathsep.join([str(root), str(root / "benchmarks")])
    started = time.time()
    done = subprocess.run(
        [*command, "--started", repr(started)],
        cwd=root,
        env=os.environ | {"PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return Timing(**json.loads(done.stdout.splitlines()[-1]))


def measure(choice: PipelineChoice, chunks: int, started: float) -> Timing:
    """Times a pipeline in this process.

    Args:
        choice: the pipeline.
        chunks: number of timed chunks after the first.
        started: start of the process, in seconds of `time.time`.
    """
    from soundstage.runners.api import open as open_session

    with open_session(choice.preset, choice.pipeline) as session:
        opened_s = time.time() - started
        seconds = []
        for _ in range(1 + chunks):
            before = time.perf_counter()
            next(session)
            seconds.append(time.perf_counter() - before)
        chunk_s = session.graph.format.chunk_s
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * MEMORY_UNIT_BYTES
    return Timing(opened_s, seconds[0], seconds[1:], chunk_s, peak)


def main() -> None:
    """Prints a measurement as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--preset")
    parser.add_argument("--pipeline", type=Path)
    parser.add_argument("--chunks", type=int, default=20)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--started", type=float, default=None)
    args = parser.parse_args()
    started = time.time() if args.started is None else args.started
    use_cache(args.cache)
    timing = measure(PipelineChoice(args.preset, args.pipeline), args.chunks, started)
    print(json.dumps(asdict(timing)))


def use_cache(folder: Path) -> None:
    """Makes JAX use a folder as its compilation cache."""
    import jax

    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


if __name__ == "__main__":
    main()
