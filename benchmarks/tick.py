"""Times a warm tick of a graph of 8 stages that do no work.

    python benchmarks/tick.py --ticks 1000

The graph has what a real one has: controls, the clock, a chain of stages, a side branch and
feedback. What remains is the cost of the runner and the session. It is given as CPU time of the
process, all threads together, and as elapsed time. The floor calls the same stages one after the
other, without a runner. The last line is a tick of the preset toy with chunks of one frame.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

import soundstage
from soundstage.graph.check import build
from soundstage.graph.format import Format
from soundstage.graph.plan import Graph
from soundstage.graph.port import Port
from soundstage.graph.spec import parse
from soundstage.runners.api import open_runner
from soundstage.runners.sessions.session import Session

NUMBERS = Port("float32", ("level",), "numbers")
CHUNK = Port("int64", (), "chunk index")
LEVEL = Port("float32", (), "level", minimum=0.0, maximum=1.0)
FRAME = {"chunk_s": 0.04, "context_s": 0.4, "fade_s": 0.04}
CONTROLS = {"warmth": 0.5, "depth": 0.5, "air": 0.5, "drive": 0.5}
BLOCKS = 5


class Count:
    """Adds one to its numbers of the tick before; the chunk's index makes every tick differ."""

    inputs: ClassVar[dict[str, Port]] = {"before": NUMBERS, "chunk": CHUNK}
    outputs: ClassVar[dict[str, Port]] = {"numbers": NUMBERS}
    uses_device = False

    def __init__(self, params: None, format: Format, device: None) -> None:
        pass

    def __call__(self, before: np.ndarray, chunk: np.ndarray) -> dict[str, np.ndarray]:
        return {"numbers": before + np.float32(1)}


class Level:
    """Returns the sum of controls in all its numbers; idle while none of them changes."""

    inputs: ClassVar[dict[str, Port]] = dict.fromkeys(CONTROLS, LEVEL)
    outputs: ClassVar[dict[str, Port]] = {"numbers": NUMBERS}
    uses_device = False

    def __init__(self, params: None, format: Format, device: None) -> None:
        self.ones = np.ones(format.dims["level"], np.float32)

    def __call__(
        self, warmth: np.ndarray, depth: np.ndarray, air: np.ndarray, drive: np.ndarray
    ) -> dict[str, np.ndarray]:
        return {"numbers": (warmth + depth + air + drive)[:, None] * self.ones}


class Add:
    """Returns the sum of two rows of numbers."""

    inputs: ClassVar[dict[str, Port]] = {"one": NUMBERS, "other": NUMBERS}
    outputs: ClassVar[dict[str, Port]] = {"numbers": NUMBERS}
    uses_device = False

    def __init__(self, params: None, format: Format, device: None) -> None:
        pass

    def __call__(self, one: np.ndarray, other: np.ndarray) -> dict[str, np.ndarray]:
        return {"numbers": one + other}


def eight_stages() -> Graph:
    """A counter with feedback, a level from a control, and a chain of six stages behind them."""
    past = {"from": "count.numbers", "delay": 1, "init": 0.0}
    stages: dict[str, Any] = {
        "count": {"use": "tick:Count", "inputs": {"before": past, "chunk": "clock.chunk"}},
        "level": {"use": "tick:Level", "inputs": {name: f"in.{name}" for name in CONTROLS}},
    }
    before = "count"
    for number in range(6):
        wires = {"one": f"{before}.numbers", "other": "level.numbers"}
        before = f"add{number}"
        stages[before] = {"use": "tick:Add", "inputs": wires}
    tables = {
        "schema": 1,
        "name": "eight stages",
        "format": FRAME,
        "inputs": CONTROLS,
        "outputs": {"numbers": f"{before}.numbers"},
        "stage": stages,
    }
    return build(parse(tables), ["tick"])


def calls_alone(graph: Graph, rows: int) -> Callable[[], object]:
    """Makes a function that calls the stages of a tick one after the other."""
    stages = {name: node.cls(None, graph.format, None) for name, node in graph.nodes.items()}
    state = np.zeros((rows, graph.format.dims["level"]), np.float32)
    level, chunk = np.full(rows, 0.5, np.float32), np.zeros(rows, np.int64)

    def run() -> object:
        other = stages["level"](level, level, level, level)["numbers"]
        value = stages["count"](state, chunk)["numbers"]
        for number in range(6):
            value = stages[f"add{number}"](value, other)["numbers"]
        return value

    return run


def ms_a_tick(run: Callable[[], object], ticks: int) -> tuple[float, float]:
    """Returns the milliseconds of a call, CPU time and elapsed: the median of some blocks."""
    for _ in range(20):
        run()
    blocks = []
    size = max(ticks // BLOCKS, 1)
    for _ in range(BLOCKS):
        cpu_s, start_s = time.process_time(), time.perf_counter()
        for _ in range(size):
            run()
        blocks.append((time.process_time() - cpu_s, time.perf_counter() - start_s))
    cpu_s, elapsed_s = np.median(blocks, axis=0)
    return 1e3 * cpu_s / size, 1e3 * elapsed_s / size


def report(what: str, run: Callable[[], object], ticks: int) -> None:
    cpu_ms, elapsed_ms = ms_a_tick(run, ticks)
    print(f"{what:44} {cpu_ms:8.3f} ms CPU {elapsed_ms:8.3f} ms elapsed", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ticks", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=1)
    args = parser.parse_args()
    controls = [{} for _ in range(args.rows)]
    graph = eight_stages()
    print(f"{args.rows} row(s), {args.ticks} ticks, chunks of {graph.format.chunk_s:g} s")
    report("8 stages that do no work, called alone", calls_alone(graph, args.rows), args.ticks)
    with open_runner(graph) as runner:
        session = Session(runner, controls)
        report("8 stages that do no work, a tick", lambda: next(session), args.ticks)
    settings = [f"format.{key}={value}" for key, value in FRAME.items()]
    with soundstage.open("toy", rows=controls, settings=settings) as session:
        report("preset toy, chunks of one frame, a tick", lambda: next(session), args.ticks)


if __name__ == "__main__":
    main()
