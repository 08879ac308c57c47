"""One engine of a fleet: a whole graph on devices of its own, which makes ticks of many rows.

How rows are made, and what that costs. A tick has at most `batch` rows. Either their number is
fixed: a slot without a request is filled with a row that is thrown away, so a stream's bytes do not
depend on other streams. Or it fits, and is one of 1, 2, 4, ...: a tick takes the streams that need
a chunk first and waits for no other, and the bytes are those of a tick of that size.

On CPUs `batch` is 1: the bytes are those of `soundstage.open` on the same machine, a client waits
for one row's chunk instead of all rows', and the machine stays busy, for two ticks overlap (one
decodes while another samples). Preset `tiny` on 2 cores, seconds per chunk and stream: 0.115 alone;
six streams 0.121 one after another, 0.067 with two workers; a batch of eight rows 0.071
(`benchmarks/serving.py`, `benchmarks/rows.py`). On accelerators, where another row is nearly free,
`batch` is the number of slots. There a row that is thrown away costs as much as any row, which is
why a tick of a fixed size waits until all its rows want a chunk.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol, runtime_checkable

from soundstage.graph.plan import Graph
from soundstage.runners.engine.capacity import Capacity
from soundstage.runners.engine.counts import EngineCounts
from soundstage.runners.engine.groups import Groups
from soundstage.runners.engine.load import LearntLoad
from soundstage.runners.engine.refusals import RETRY_AFTER_S, EngineLost, Full
from soundstage.runners.engine.row import StreamRow
from soundstage.runners.engine.warmup import Warm, WarmUp
from soundstage.runners.engine.workers import Workers
from soundstage.runners.runner import Runner

LOGGER = logging.getLogger("soundstage.serve")
# For so long after an underrun no stream is admitted: the machine is slower than when measured.
WATCH_S = 10.0


@runtime_checkable
class RemoteRunner(Runner, Protocol):
    """A runner in another process, which may die or hang; its ticks then raise `EngineLost`."""

    def answers(self, within_s: float) -> bool:
        """Whether the process, and those of its stages, answer within a time."""
        ...

    def revive(self) -> None:
        """Waits until a new process has replaced the lost one and is built; ends one that hangs.

        Raises:
            EngineLost: none has within the time that a process may take to be ready.
            Exception: any error of a stage's constructor.
        """
        ...


class Engine:
    """An engine: its runner, the slots of its streams, the threads that make their chunks.

    Attributes:
        number: its number in the fleet, from 0.
        graph: what it runs.
        counts: what has happened on it so far.
        draining: whether it gets no more streams, as it is about to close.
        losses: how often its process was lost.
    """

    def __init__(
        self,
        number: int,
        graph: Graph,
        warm_up: WarmUp,
        capacity: Capacity,
        lock: threading.RLock,
        closing: threading.Event,
    ) -> None:
        """Prepares an engine; nothing is loaded before `start`.

        Args:
            number: its number in the fleet.
            graph: what it runs.
            warm_up: how it is made ready.
            capacity: its limits; not measured yet.
            lock: guards the rows of all engines of a fleet.
            closing: is set by `close`, which may be called while it starts.
        """
        self.number, self.graph = number, graph
        self.counts = EngineCounts()
        self.draining = False
        self.losses = 0
        self._warm_up, self._lock, self._closing = warm_up, lock, closing
        self._load = LearntLoad(capacity)
        self._warm: Warm | None = None
        self._workers: Workers | None = None
        self._grown = threading.Event()

    @property
    def ready(self) -> bool:
        """Whether it is warm, its process lives, and it takes streams."""
        return self.alive and not self.draining

    @property
    def alive(self) -> bool:
        """Whether it is warm and makes ticks."""
        return self._workers is not None and self._workers.live

    @property
    def warm(self) -> bool:
        """Whether it has started, and is not closed."""
        return self._warm is not None

    @property
    def capacity(self) -> Capacity:
        """How many streams fit: as measured, corrected by what its ticks cost."""
        return self._load.capacity

    @property
    def note(self) -> str:
        """What the warm-up decided otherwise than asked for; "" = nothing."""
        return "" if self._warm is None else self._warm.note

    @property
    def batch(self) -> int:
        """The rows of its ticks; 0 = it is not warm."""
        return 0 if self._warm is None else self._warm.batch

    @property
    def sizes(self) -> tuple[int, ...]:
        """The numbers of rows that its ticks may have by now."""
        if self._workers is None:
            return ()
        return self._workers.groups.all[0].sizes or (self.batch,)

    @property
    def runner(self) -> Runner:
        """Its runner.

        Raises:
            Full: it is not warm.
        """
        return self._opened()[0].runner

    @property
    def workers(self) -> Workers:
        """The threads that make its chunks.

        Raises:
            Full: it is not warm.
        """
        return self._opened()[1]

    def rows(self) -> list[StreamRow]:
        """Returns the rows that have a slot here; the caller holds the lock."""
        return [] if self._workers is None else list(self._workers.groups.rows())

    def realtime(self) -> int:
        """Returns how many realtime rows have a slot here; the caller holds the lock."""
        return sum(row.realtime for row in self.rows())

    def spare(self, more: int = 0) -> float:
        """Returns the part of its time that is left beside its streams; the caller holds the lock.

        Args:
            more: realtime streams that would join; below 0, that would leave.
        """
        rows = self.rows()
        realtime = sum(row.realtime for row in rows) + more
        # Of engines with as much time, the one with fewer streams is less busy.
        return self.capacity.spare(realtime) - 1e-3 * len(rows)

    def start(self, lost: Callable[[Engine, EngineLost], None]) -> None:
        """Loads, compiles, and measures how many streams fit; then makes ticks.

        Args:
            lost: called under the lock if the process is lost in a tick.

        Raises:
            Exception: those of opening the runner.
            StageFailed: a stage fails with the pipeline's default controls.
            EngineLost: it was closed meanwhile.
        """
        warm = self._warm_up.run()
        with self._lock:
            if self._closing.is_set():
                warm.runner.close()
                raise EngineLost(f"engine {self.number} was closed before it was ready")
            grows = self._warm_up.grows(warm.batch)
            # Ticks of a fixed size were measured together, with what waits for what.
            waits = self._warm_up.workers if grows else 0
            measured = replace(self._load.measured, cost_s=warm.cost_s, waits=waits)
            self._load.remeasure(replace(measured, alone_s=warm.alone_s))
            self._workers = Workers(
                warm.runner,
                Groups.of(self._warm_up.rows, warm.batch, grows),
                self.counts,
                self._load,
                workers=self._warm_up.workers,
                window=self._warm_up.window,
                lock=self._lock,
                lost=lambda error: lost(self, error),
                number=self.number,
            )
            self._warm = warm
        self._workers.start()
        if grows:
            threading.Thread(target=self._grow, name=f"grow-{self.number}", daemon=True).start()
        else:
            self._grown.set()

    def wait_until_grown(self) -> None:
        """Waits until all sizes of its ticks are compiled, or no larger one can be."""
        self._grown.wait()

    def refuse(self, row: StreamRow) -> None:
        """Refuses a row that does not fit here; the caller holds the lock.

        Raises:
            Full: a realtime stream would be late.
        """
        ahead = [other.schedule.ahead_s for other in self.rows()]
        realtime = [ahead_s for ahead_s in ahead if ahead_s is not None]
        shortest_s = min(realtime, default=math.inf)
        self.capacity.refuse(len(ahead), len(realtime), row.schedule.ahead_s, shortest_s)
        since_s = time.monotonic() - self.workers.last_late_s
        if since_s < WATCH_S and realtime and self.capacity.fixed is None:
            reason = f"a chunk of another stream was late {since_s:.0f} s ago"
            raise Full(reason, min(RETRY_AFTER_S, WATCH_S - since_s))

    def measure_again(self, most: int) -> None:
        """Measures with some chunks made for that, while no stream plays.

        Args:
            most: the most streams to measure with.
        """
        warm, _ = self._opened()
        cost_s = self._warm_up.measure(warm.runner, warm.batch, most)
        alone_s = self._warm_up.alone_s(warm.runner, warm.batch, cost_s[1])
        with self._lock:
            measured = self._load.measured.measured_again(cost_s)
            self._load.remeasure(replace(measured, alone_s=alone_s))

    def suspend(self) -> list[StreamRow]:
        """Begins no more ticks and gives up those in progress; the caller holds the lock.

        Returns:
            The rows that have a slot here.
        """
        self.workers.live = False
        self.losses += 1
        return self.rows()

    def resume(self) -> None:
        """Makes ticks again, with a process that answers; the caller holds the lock."""
        self.workers.live = True
        self.workers.changed.notify_all()

    def revive(self) -> None:
        """Replaces a lost process, and compiles it.

        Raises:
            Exception: those of `RemoteRunner.revive`.
        """
        warm, _ = self._opened()
        assert isinstance(warm.runner, RemoteRunner)
        warm.runner.revive()
        for size in self.sizes:
            warm.runner.warm_up(size)

    def _grow(self) -> None:
        """Compiles the larger ticks, one size after the other, while smaller ones are made."""
        try:
            for size in self._warm_up.sizes(self.batch)[1:]:
                self._add_size(size)
        # Such as a device without room for so many rows: the smaller ticks go on.
        except Exception as error:
            if self._workers is not None:
                LOGGER.warning("no more than %d streams a tick: %s", self.sizes[-1], error)
        finally:
            self._grown.set()

    def _add_size(self, size: int) -> None:
        warm, workers = self._opened()
        seconds = self._warm_up.measure_size(warm.runner, size)
        with self._lock:
            (group,) = workers.groups.all
            group.sizes = (*group.sizes, size)
            cost_s = {**self._load.measured.cost_s, size: seconds}
            self._load.remeasure(self._load.measured.measured(cost_s))

    def close(self) -> None:
        """Ends its threads and frees its weights; its rows have left. Idempotent."""
        with self._lock:
            self._closing.set()
            self.draining = True
            warm, workers = self._warm, self._workers
            self._warm = self._workers = None
        if warm is not None and workers is not None:
            workers.stop()
            warm.runner.close()

    def _opened(self) -> tuple[Warm, Workers]:
        if self._warm is None or self._workers is None:
            raise Full("the engine is not warm yet", RETRY_AFTER_S)
        return self._warm, self._workers
