"""Before an engine is ready: it loads, compiles, compares the slots' bytes, and measures."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import count

import numpy as np

from soundstage.graph.state import State, initial
from soundstage.runners.engine.capacity import measure
from soundstage.runners.engine.row import MOST_IN_FLIGHT
from soundstage.runners.local import default_tick
from soundstage.runners.runner import OverlappingRunner, Runner, Tick
from soundstage.runners.timing.realtime import COMFORTABLE

# Chunks that `rows_are_alike` compares: the second reads the feedback of the first.
_COMPARED_CHUNKS = 2
# The size of the ticks that are compared where ticks have several sizes.
FIRST_COMPARED = 2
# The control that makes streams different.
SEED = "seed"
# Each measured stream has another seed, and each of their chunks another index.
_NUMBERS = count(1)


@dataclass(frozen=True)
class Warm:
    """A runner that can play at once.

    Attributes:
        runner: the runner.
        batch: rows of every tick.
        cost_s: seconds for one chunk of each of so many streams, by their number.
        note: what was decided otherwise than asked for; "" = nothing.
        alone_s: see `WarmUp.alone_s`.
    """

    runner: Runner
    batch: int
    cost_s: dict[int, float]
    note: str
    alone_s: float | None = None


@dataclass(frozen=True)
class WarmUp:
    """How an engine is made ready.

    Attributes:
        open_runner: opens its runner; the argument is the number of answers that a stage keeps.
        rows: the most streams.
        batch: rows of a tick; None = 1 on CPUs, else `rows`.
        workers: ticks made at the same time.
        window: the most chunks of one stream in flight at once, 1 or `MOST_IN_FLIGHT`.
        fits: whether a tick has as many rows as it needs, 1, 2, 4, ... up to `batch`; otherwise it
            always has `batch`.
    """

    open_runner: Callable[[int], Runner]
    rows: int
    batch: int | None
    workers: int
    fits: bool = False
    window: int = MOST_IN_FLIGHT

    def run(self) -> Warm:
        """Opens a runner, compiles it for ticks of `batch` rows, and measures it.

        Raises:
            Exception: those of `open_runner`.
            StageFailed: a stage fails with the pipeline's default controls.
        """
        # Stages remember an answer for each group, and as many again for controls that change back.
        groups = -(-self.rows // (self.batch or 1))
        runner = self.open_runner(2 * groups + 2)
        try:
            batch, note = self.compile(runner)
            cost_s = self.measure(runner, batch, self.rows)
            alone_s = self.alone_s(runner, batch, cost_s[1])
        except BaseException:
            runner.close()
            raise
        return Warm(runner, batch, cost_s, note, alone_s)

    def grows(self, batch: int) -> bool:
        """Whether ticks have several sizes, of which the first is ready with the engine."""
        return self.fits and batch > 1

    def sizes(self, batch: int) -> list[int]:
        """Returns the sizes of ticks, in the order in which they are needed."""
        return sorted({min(2**power, batch) for power in range(batch.bit_length() + 1)})

    def measure(self, runner: Runner, batch: int, most: int) -> dict[int, float]:
        """Measures the seconds for one chunk of each of so many streams.

        If ticks have several sizes, it measures one of one row; each larger one is measured when it
        is compiled.

        Args:
            runner: warm.
            batch: the most rows of a tick.
            most: the most streams.
        """
        if self.grows(batch):
            return _measure(runner, 1, 1, 1)
        return _measure(runner, min(self.rows, most), batch, self.workers)

    def alone_s(self, runner: Runner, batch: int, takes_s: float) -> float | None:
        """Measures a stream that is alone, if only chunks that overlap may be in time.

        Args:
            runner: warm.
            batch: the most rows of a tick.
            takes_s: how long a chunk of one stream takes, in seconds.

        Returns:
            Seconds from chunk to chunk; None = chunks are in time without, cannot be in time, or do
            not overlap.
        """
        chunk_s = runner.graph.format.chunk_s
        if batch > 1 or self.window == 1 or not isinstance(runner, OverlappingRunner):
            return None
        needed = chunk_s / COMFORTABLE < takes_s <= MOST_IN_FLIGHT * chunk_s
        return measure_alone(runner) if needed else None

    def measure_size(self, runner: Runner, size: int) -> float:
        """Compiles a runner for ticks of so many rows; returns how long one takes, in seconds.

        Raises:
            StageFailed: a stage fails with the pipeline's default controls.
            ValueError: a stream's bytes depend on its row.
        """
        runner.warm_up(size)
        if size == FIRST_COMPARED and not rows_are_alike(runner, size):
            raise ValueError("a stream's bytes depend on its row of the tick")
        return _measure(runner, 1, size, 1)[1]

    def compile(self, runner: Runner) -> tuple[int, str]:
        """Compiles a runner; returns the rows of a tick, and what was decided otherwise.

        Raises:
            StageFailed: a stage fails with the pipeline's default controls.
        """
        batch = self.batch
        if batch is None:
            batch = 1 if runner.platforms <= {"cpu"} else self.rows
        if self.grows(batch):
            runner.warm_up(1)
            return batch, ""
        runner.warm_up(batch)
        if batch == 1 or rows_are_alike(runner, batch):
            return batch, ""
        runner.warm_up(1)
        return 1, f"with {batch} rows a tick, a stream's bytes depend on its slot: 1 row a tick"


def rows_are_alike(runner: Runner, batch: int) -> bool:
    """Returns whether a stream has the same bytes in every slot, whatever is in the other slots.

    In every slot in turn, the same stream makes two chunks beside streams at other chunks.
    """
    graph = runner.graph
    controls = {name: control.default for name, control in graph.controls.items()}
    variants: set[tuple[bytes, ...]] = set()
    for slot in range(batch):
        names = [str(row) for row in range(batch)]
        state = initial(graph, names)
        audio = []
        for chunk in range(_COMPARED_CHUNKS):
            indices = tuple(chunk if row == slot else row + slot for row in range(batch))
            tick = Tick(tuple(names), indices, (controls,) * batch)
            (result,) = runner.stream([tick], State(tuple(names), indices, state.values))
            audio.append(np.ascontiguousarray(result.audio[slot]).tobytes())
            state = result.state
        variants.add(tuple(audio))
    return len(variants) == 1


def _measure(runner: Runner, rows: int, batch: int, workers: int) -> dict[int, float]:
    """Measures the seconds for one chunk of each of so many streams; compiles nothing.

    If the pipeline has seeds, each stream has one of its own, and goes on from chunk to chunk: a
    stage that has had the same inputs before answers at once, as one that reads no index might.

    Args:
        runner: warm for ticks of `batch` rows.
        rows: the most streams.
        batch: rows of a tick.
        workers: ticks made at the same time.

    Returns:
        Seconds by the number of streams (see `capacity.measure`).
    """
    tick = default_tick(runner.graph, batch)
    ticks = [_seeded(tick) for _ in range(-(-rows // batch))]
    values = [initial(runner.graph, tick.streams).values] * len(ticks)

    def make_one(group: int) -> None:
        state = State(tick.streams, (next(_NUMBERS),) * batch, values[group])
        for chunk in runner.stream([replace(ticks[group], chunks=state.chunks)], state):
            # Without seeds it would make the listeners' own chunks.
            if SEED in tick.controls[0]:
                values[group] = chunk.state.values

    with ThreadPoolExecutor(workers, thread_name_prefix="measure") as threads:

        def make(streams: int) -> None:
            list(threads.map(make_one, range(-(-streams // batch))))

        return measure(make, rows, runner.graph.format.chunk_s)


def measure_alone(runner: OverlappingRunner) -> float:
    """Measures the seconds from chunk to chunk of one stream, each begun before the last is made.

    Args:
        runner: warm for ticks of one row.
    """
    tick = _seeded(default_tick(runner.graph, 1))

    def numbered() -> Tick:
        return replace(tick, chunks=(next(_NUMBERS),))

    begun = runner.begin(numbered(), initial(runner.graph, tick.streams))

    def make(_: int) -> None:
        nonlocal begun
        last, begun = begun, begun.follow(numbered())
        last.chunk()

    chunk_s = runner.graph.format.chunk_s
    # The first one overlaps with none before it.
    seconds = measure(make, 1, chunk_s, longest_s=MOST_IN_FLIGHT * chunk_s)[1]
    begun.cancel()
    return seconds


def _seeded(tick: Tick) -> Tick:
    """Returns a tick with a seed in each row that no other measured stream has, if it has seeds."""
    if SEED not in tick.controls[0]:
        return tick
    return replace(tick, controls=tuple({**row, SEED: next(_NUMBERS)} for row in tick.controls))
