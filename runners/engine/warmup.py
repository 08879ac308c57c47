"""What an engine does before it is ready: load, compile, prove that rows are rows, measure."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import count

import numpy as np

from soundstage.graph.plan import Graph
from soundstage.graph.state import State, initial
from soundstage.runners.api import open_runner
from soundstage.runners.choice import RunnerChoice
from soundstage.runners.devices import find_devices
from soundstage.runners.engine.capacity import measure
from soundstage.runners.local import default_tick
from soundstage.runners.runner import Runner, Tick

# Chunks of the proof: the second reads what the first has fed back.
_PROOF_CHUNKS = 2


@dataclass(frozen=True)
class Warm:
    """A runner that can play at once.

    Attributes:
        runner: the runner.
        batch: rows of every tick.
        cost_s: seconds for one chunk of each of so many streams, by their number.
        note: what had to be decided otherwise than asked for; "" = nothing.
    """

    runner: Runner
    batch: int
    cost_s: dict[int, float]
    note: str


def warm_up(graph: Graph, choice: RunnerChoice, rows: int, batch: int | None, lanes: int) -> Warm:
    """Makes everything ready.

    Args:
        graph: what will run.
        choice: what runs it.
        rows: the most streams.
        batch: rows of a tick; None = 1 on CPUs, else `rows`.
        lanes: ticks under way at once.

    Raises:
        Exception: what `runners.api.open_runner` raises.
        StageFailed: a stage fails with the pipeline's default controls.
    """
    if batch is None:
        batch = 1 if _only_cpus(graph, choice) else rows
    # An answer for each group, and as many again for what was steered to and fro.
    groups = -(-rows // batch)
    runner = open_runner(graph, replace(choice, remembered=choice.remembered or 2 * groups + 2))
    try:
        note = ""
        runner.warm_up(batch)
        if batch > 1 and not rows_are_alike(runner, batch):
            note = f"with {batch} rows a tick, a stream's bytes depend on its place: 1 row a tick"
            batch = 1
            runner.warm_up(batch)
        cost_s = _measure(runner, rows, batch, lanes)
    except BaseException:
        runner.close()
        raise
    return Warm(runner, batch, cost_s, note)


def rows_are_alike(runner: Runner, batch: int) -> bool:
    """Whether a stream has the same bytes at every place of a tick, whoever sits beside it.

    On every place in turn, the same stream makes two chunks beside others at other chunks.
    """
    graph = runner.graph
    controls = {name: control.default for name, control in graph.controls.items()}
    heard: set[tuple[bytes, ...]] = set()
    for place in range(batch):
        names = [str(row) for row in range(batch)]
        state = initial(graph, names)
        audio = []
        for chunk in range(_PROOF_CHUNKS):
            indices = tuple(chunk if row == place else row + place for row in range(batch))
            tick = Tick(tuple(names), indices, (controls,) * batch)
            (made,) = runner.stream([tick], State(tuple(names), indices, state.values))
            audio.append(np.ascontiguousarray(made.audio[place]).tobytes())
            state = made.state
        heard.add(tuple(audio))
    return len(heard) == 1


def _measure(runner: Runner, rows: int, batch: int, lanes: int) -> dict[int, float]:
    """Seconds for one chunk of each of so many streams; compiles nothing any more."""
    tick = default_tick(runner.graph, batch)
    values = initial(runner.graph, tick.streams).values
    # Each chunk is another one: a stage that is asked the same again answers without computing.
    numbers = count(1)

    def make_one(_: int) -> None:
        chunks = (next(numbers),) * batch
        state = State(tick.streams, chunks, values)
        for _chunk in runner.stream([replace(tick, chunks=chunks)], state):
            pass

    with ThreadPoolExecutor(lanes, thread_name_prefix="measure") as threads:

        def make(streams: int) -> None:
            list(threads.map(make_one, range(-(-streams // batch))))

        return measure(make, rows, runner.graph.format.chunk_s)


def _only_cpus(graph: Graph, choice: RunnerChoice) -> bool:
    if choice.kind != "local":
        return True
    platforms = {
        device.platform for node in graph.nodes.values() for device in find_devices(node.placement)
    }
    return platforms == {"cpu"}
