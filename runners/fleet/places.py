"""Which engine makes the chunks of which stream: placing, moving, and what to do after a loss."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Sequence
from typing import Literal, TypeAlias

from soundstage.runners.engine.counts import EngineCounts
from soundstage.runners.engine.engine import Engine
from soundstage.runners.engine.refusals import RETRY_AFTER_S, EngineLost, Full
from soundstage.runners.engine.row import StreamRow
from soundstage.runners.fleet.waits import Waits

LOGGER = logging.getLogger("soundstage.serve")

# Why a stream has moved to another engine.
Reason: TypeAlias = Literal["lost", "drained", "balanced", "reloaded"]
# A stream is moved for balance if the fuller engine gains so much of its time, as a part of it.
LEAST_GAIN = 0.1


class StreamPlaces:
    """The slots of all engines of a fleet, and the streams that have one.

    A stream takes a slot when it plays and frees it when it pauses. All methods but the constructor
    are called under `lock`.

    Attributes:
        lock: guards all rows of all engines.
        engines: the engines, by number; only those that are alive make ticks.
        counts: joins, refusals and reads of all streams.
        moves: how many streams have moved, by reason.
        wanting: how often a stream was refused that another engine could serve.
    """

    def __init__(self, rows: int, fixed: int | None) -> None:
        """Starts without engines.

        Args:
            rows: the most streams with a slot, whatever the measurements allow.
            fixed: the most realtime streams with a slot; None = the measurements decide.
        """
        self.lock = threading.RLock()
        self.engines: list[Engine] = []
        self.counts = EngineCounts()
        self.moves: Counter[Reason] = Counter()
        self.wanting = 0
        self._most, self._fixed = rows, fixed
        self._rows: list[StreamRow] = []
        self._waits = Waits()

    def rows(self) -> list[StreamRow]:
        """Returns all open rows, with paused and prepared ones."""
        self._rows = [row for row in self._rows if not row.closed]
        return self._rows

    def realtime(self) -> int:
        """Returns how many realtime streams fit, as far as is known."""
        if self._fixed is not None:
            return min(self._fixed, self._most)
        fitting = sum(engine.capacity.realtime for engine in self.engines if engine.ready)
        return min(fitting, self._most)

    def open(self, row: StreamRow) -> None:
        """Adds a row, which has no slot yet."""
        self._rows.append(row)
        self.counts.joined += 1

    def place(self, row: StreamRow) -> None:
        """Gives a row a slot on the engine with the most time left; does nothing if it has one.

        Raises:
            Full: no slot is free, or a realtime stream would be late.
        """
        if row.workers is not None:
            return
        try:
            engine = self._engine_for(row)
        except Full as error:
            self.counts.refused += 1
            self.wanting += error.measured
            wait_s = self._waits.refuse(row, time.monotonic())
            if error.retry_after_s < RETRY_AFTER_S:  # it is known
                wait_s = error.retry_after_s
            raise Full(error.reason, wait_s, error.measured) from error
        self._waits.admit(row)
        engine.workers.join(row)

    def release(self, row: StreamRow) -> None:
        """Frees a row's slot; a chunk that is being made still arrives."""
        if row.workers is not None:
            row.workers.leave(row)
            self._waits.free(time.monotonic())

    def close(self, row: StreamRow) -> None:
        """Closes a row and frees its slot."""
        row.closed = True
        self.release(row)
        self.counts.left += 1

    def wake(self, row: StreamRow) -> None:
        """Lets the engine of a row look at it again, for it has changed."""
        if row.workers is not None:
            row.workers.changed.notify_all()

    def lose(self, engine: Engine, error: EngineLost) -> None:
        """Takes all streams away from an engine whose process died or hangs.

        Chunks in progress there are made again elsewhere, from the same state, to the same bytes.
        Without another engine, its streams wait until one is ready (see `gather`).
        """
        if not engine.alive:
            return
        workers = engine.workers
        rows = engine.suspend()
        for row in self._rows:
            if row.in_flight is not None and row.in_flight.workers is workers:
                row.epoch += 1  # what arrives late is dropped
                row.in_flight = None
                self.wake(row)  # it may have moved before, to workers that wait for this tick
        moved = self._move_all(rows, "lost")
        text = "engine %d is lost: %s; %d stream(s) go on elsewhere, %d wait for it"
        LOGGER.warning(text, engine.number, error.reason, moved, len(rows) - moved)

    def gather(self) -> None:
        """Moves the streams of engines that are lost or removed; called when one gets ready."""
        alive = [engine.workers for engine in self.engines if engine.alive]
        waiting = [one for one in self.rows() if one.workers and one.workers not in alive]
        self._move_all(waiting, "lost")

    def drain(self, engine: Engine) -> int:
        """Places no more streams on an engine, and moves its streams.

        Returns:
            How many streams are left there, for which there is no other engine.
        """
        engine.draining = True
        rows = engine.rows()
        return len(rows) - self._move_all(rows, "drained")

    def balance(self) -> bool:
        """Moves one stream from the busiest engine to the idlest one, if that helps.

        Returns:
            Whether a stream was moved.
        """
        ready = [engine for engine in self.engines if engine.ready]
        if len(ready) < 2:
            return False
        busiest = min(ready, key=Engine.spare)
        alike = [engine for engine in ready if engine.graph is busiest.graph]
        idlest = max(alike, key=Engine.spare)
        rows = [row for row in busiest.rows() if row.realtime]
        if not rows or idlest.spare(1) - busiest.spare() < LEAST_GAIN:
            return False
        self._move(rows[-1], idlest, "balanced")
        return True

    def rehome(self, row: StreamRow) -> None:
        """Moves a row that has a slot to an engine of its graph, which has changed."""
        if row.workers is not None:
            self._move_all([row], "reloaded")

    def _ready_for(self, row: StreamRow) -> list[Engine]:
        return [one for one in self.engines if one.ready and one.graph is row.graph]

    def _engine_for(self, row: StreamRow) -> Engine:
        """Returns the engine with the most time left of those on which a row fits."""
        ready = self._ready_for(row)
        if not ready:
            raise Full("no engine is ready", RETRY_AFTER_S)
        placed = [other for other in self.rows() if other.workers is not None]
        if len(placed) >= self._most:
            raise Full(f"all {self._most} slots are taken", RETRY_AFTER_S)
        if self._fixed is not None:
            self._refuse_fixed(row, sum(other.realtime for other in placed))
            return max(ready, key=Engine.spare)
        refusals = []
        for engine in sorted(ready, key=Engine.spare, reverse=True):
            try:
                engine.refuse(row)
            except Full as error:
                refusals.append(error)
            else:
                return engine
        raise refusals[0]

    def _refuse_fixed(self, row: StreamRow, realtime: int) -> None:
        assert self._fixed is not None
        if realtime >= self._fixed and (row.realtime or realtime):
            reason = f"{self._fixed} realtime stream(s) are open, and no more are allowed"
            raise Full(reason, RETRY_AFTER_S)

    def _move_all(self, rows: Sequence[StreamRow], reason: Reason) -> int:
        """Moves rows, whether they fit or not: a late chunk is better than none."""
        moved = 0
        for row in rows:
            ready = self._ready_for(row)
            if ready:
                self._move(row, max(ready, key=Engine.spare), reason)
                moved += 1
        return moved

    def _move(self, row: StreamRow, engine: Engine, reason: Reason) -> None:
        """Lets another engine make a row's chunks, from the next one that is begun."""
        if row.workers is not None:
            row.workers.leave(row)
        engine.workers.join(row)
        self.moves[reason] += 1
