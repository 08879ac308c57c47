"""Compares Ray with the in-process runner: overhead, pipelining, and recovery of a killed stage.

    python benchmarks/clusters/ray_overhead.py --chunks 30 --kills 10
    python benchmarks/clusters/ray_overhead.py --only pipelining --chunks 5

Both runners run the same graph in this program. Stages only sleep, so that the time of a chunk
beyond their sleep is the runner's overhead. Recovery is timed on the preset tiny, from the kill of
a stage's process to the next chunk.
"""

import argparse
import os
import signal
import sys
import time
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import jax
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[1]))

from pipeline import InstantDecode, InstantSample

import soundstage
from soundstage.graph.check import build
from soundstage.graph.format import Format
from soundstage.graph.plan import Graph
from soundstage.graph.port import Port
from soundstage.graph.spec import parse
from soundstage.runners.local import LocalRunner
from soundstage.runners.ray.connection import cluster
from soundstage.runners.ray.ray_runner import RayRunner, RaySettings
from soundstage.runners.runner import Runner
from soundstage.runners.sessions.session import Session

ALLOW = ["ray_overhead", "pipeline"]
NUMBER = Port("int64", (), "number")
SAMPLE_S, DECODE_S = 0.1, 0.06
CHAIN_S = {"first": 0.12, "second": 0.2, "third": 0.16}
PARTS = ("overhead", "pipelining", "recovery")
WINDOW = 4
WARM_UP = 6
SPARE_READY_S = 8.0  # a killed process is rebuilt as the next spare


class SleepSample(InstantSample):
    """Returns tokens after a sleep."""

    def __call__(self, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        time.sleep(SAMPLE_S)
        return super().__call__(**inputs)


class SleepDecode(InstantDecode):
    """Returns noise after a sleep."""

    def __call__(self, tokens: np.ndarray, context: np.ndarray) -> dict[str, np.ndarray]:
        time.sleep(DECODE_S)
        return super().__call__(tokens, context)


class Count:
    """Returns the chunk's index, so that no later stage can reuse an output."""

    inputs = {"chunk": Port("int64", (), "chunk index")}
    outputs = {"number": NUMBER}

    def __init__(self, params: None, format: Format, device: jax.Device) -> None:
        pass

    def __call__(self, chunk: np.ndarray) -> dict[str, np.ndarray]:
        return {"number": chunk.copy()}


@dataclass(frozen=True)
class SleepParams:
    """The seconds to sleep."""

    seconds: float


class Sleep:
    """Returns its input after a sleep."""

    Params = SleepParams
    inputs = {"number": NUMBER}
    outputs = {"number": NUMBER}

    def __init__(self, params: SleepParams, format: Format, device: jax.Device) -> None:
        self.seconds = params.seconds

    def __call__(self, number: np.ndarray) -> dict[str, np.ndarray]:
        time.sleep(self.seconds)
        return {"number": number.copy()}


def default_graph() -> Graph:
    """Loads the default graph, with messages of its size and stages that only sleep."""
    uses = {
        "embed": "pipeline:InstantEmbed",
        "sample": "ray_overhead:SleepSample",
        "decode": "ray_overhead:SleepDecode",
    }
    settings = [f"{stage}.use={use}" for stage, use in uses.items()]
    return soundstage.load(settings=settings, allow=ALLOW)


def chain() -> Graph:
    """Builds a chain of three stages that sleep, without feedback."""
    stages: dict[str, Any] = {
        "count": {"use": "ray_overhead:Count", "inputs": {"chunk": "clock.chunk"}}
    }
    for name, seconds in CHAIN_S.items():
        stages[name] = {
            "use": "ray_overhead:Sleep",
            "params": {"seconds": seconds},
            "inputs": {"number": f"{list(stages)[-1]}.number"},
        }
    outputs = {"number": "third.number"}
    return build(parse({"schema": 1, "name": "chain", "outputs": outputs, "stage": stages}), ALLOW)


def gaps(runner: Runner, chunks: int, lookahead: int) -> np.ndarray:
    """Times the gaps between chunks in seconds, after some to warm up."""
    moments = []
    session = Session(runner, lookahead=lookahead)
    for _ in islice(session, WARM_UP + chunks):
        moments.append(time.perf_counter())
    session.close()
    return np.diff(moments)[WARM_UP - 1 :]


def ray_runner(graph: Graph) -> RayRunner:
    return RayRunner(graph, RaySettings(window=WINDOW))


def time_overhead(chunks: int) -> None:
    """Prints the time of a chunk beyond its stages' sleep, without overlap."""
    graph = default_graph()
    floor = SAMPLE_S + DECODE_S
    print(f"default graph, sleeping {floor * 1e3:.0f} ms a chunk, nothing overlapped:")
    medians = {}
    for name, make in (("in-process", LocalRunner), ("ray", ray_runner)):
        with make(graph) as runner:
            seconds = gaps(runner, chunks, 0)
        medians[name] = float(np.median(seconds))
        print(f"  {name:<10} median {medians[name] * 1e3:.1f} ms, worst {seconds.max() * 1e3:.1f}")
    chunk_s = graph.format.chunk_s
    for name, median_s in medians.items():
        share = (median_s - floor) / chunk_s
        print(
            f"  {name:<10} {(median_s - floor) * 1e3:.1f} ms over the floor: {share:.2%} of a chunk"
        )
    extra = medians["ray"] - medians["in-process"]
    print(f"  ray over in-process: {extra * 1e3:.1f} ms, {extra / chunk_s:.2%} of a chunk (< 5 %)")


def time_pipelining(chunks: int) -> None:
    """Prints the time of a chunk of a pipelined chain, relative to its slowest stage."""
    slowest = max(CHAIN_S.values())
    costs = ", ".join(f"{seconds * 1e3:.0f}" for seconds in CHAIN_S.values())
    print(f"chain of stages that sleep {costs} ms, window {WINDOW}; floor {slowest * 1e3:.0f} ms:")
    for name, make in (("in-process", LocalRunner), ("ray", ray_runner)):
        with make(chain()) as runner:
            seconds = gaps(runner, chunks, WINDOW - 1)
        median = float(np.median(seconds))
        print(f"  {name:<10} a chunk every {median * 1e3:.1f} ms, ratio {median / slowest:.3f}")


def time_recovery(kills: int, spares: int) -> None:
    """Prints the delay of the next chunk after a stage of the preset tiny is killed."""
    placed = [f"{stage}={{ device = 'cpu', spares = {spares} }}" for stage in ("sample", "decode")]
    with ray_runner(soundstage.load("tiny", placements=["default=cpu", *placed])) as runner:
        session = Session(runner)
        usual = float(np.median([timed(session) for _ in range(WARM_UP)]))
        print(
            f"preset tiny, {spares} spare(s), stage killed; a chunk takes {usual:.2f} s otherwise:"
        )
        for stage in ("sample", "decode"):
            waits = []
            for _ in range(kills):
                os.kill(runner.process_ids()[stage][0], signal.SIGKILL)
                waits.append(timed(session))
                next(session)
                time.sleep(SPARE_READY_S if spares else 0.0)
            median, worst = float(np.median(waits)), max(waits)
            print(f"  {stage:<7} next chunk after {median:.2f} s, worst {worst:.2f} s of {kills}")


def timed(session: Session) -> float:
    start = time.perf_counter()
    next(session)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chunks", type=int, default=30)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--spares", type=int, default=0)
    parser.add_argument("--only", choices=PARTS, nargs="+", default=PARTS)
    args = parser.parse_args()
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    with cluster():  # started once, before JAX, because JAX does not support forking
        if "overhead" in args.only:
            time_overhead(args.chunks)
        if "pipelining" in args.only:
            time_pipelining(args.chunks)
        if "recovery" in args.only:
            time_recovery(args.kills, args.spares)


if __name__ == "__main__":
    main()
