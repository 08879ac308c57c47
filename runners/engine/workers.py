"""The threads that make chunks: each takes the most urgent group, makes it, takes the next."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence

from soundstage.runners.engine.chunk import EngineChunk
from soundstage.runners.engine.groups import Group, Groups
from soundstage.runners.engine.metrics import EngineCounts, median_of
from soundstage.runners.engine.row import StreamRow, TickRequest
from soundstage.runners.engine.ticks import Done, Ticks
from soundstage.runners.runner import Runner
from soundstage.runners.sessions.injection import silence
from soundstage.runners.timing.lateness import Lateness

_LOG = logging.getLogger(__name__)
# Who is to blame for a chunk that came late although no stage was slow.
QUEUE = "queue"


class Workers:
    """Makes the chunks of all rows, tick by tick, `lanes` ticks at a time.

    Ticks of different groups have nothing to do with each other, so while one is with the decoder
    another can be with the transformer: two lanes keep both busy, more only add waiting.

    Attributes:
        changed: the engine's lock; notified when there may be something to do.
        groups: who sits where.
        tally: what has happened so far.
        last_late_s: when a chunk was late last; minus infinity = never.
    """

    def __init__(self, runner: Runner, groups: Groups, lanes: int, tick_s: float) -> None:
        """Prepares the threads.

        Args:
            runner: makes the chunks, warm.
            groups: the places.
            lanes: ticks under way at once.
            tick_s: what a tick takes as far as is known.
        """
        self.changed = threading.Condition()
        self.groups = groups
        self.tally = EngineCounts()
        self.last_late_s = float("-inf")
        self._ticks = Ticks(runner)
        self._silence = silence(runner.graph)
        self._lateness = Lateness(runner.graph.format.chunk_s)
        self._first_tick_s = tick_s
        self._stopping = False
        self._threads = [
            threading.Thread(target=self._run, name=f"lane-{lane}", daemon=True)
            for lane in range(lanes)
        ]

    @property
    def tick_s(self) -> float:
        """What a tick usually takes; whoever asks holds the lock."""
        return median_of(self.tally.walls_s) or self._first_tick_s

    def start(self) -> None:
        """Begins to make chunks for whoever wants some."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Lets the ticks under way end, and waits for that."""
        with self.changed:
            self._stopping = True
            self.changed.notify_all()
        for thread in self._threads:
            thread.join()

    def leave(self, row: StreamRow) -> None:
        """Frees a row's place; whoever calls holds the lock."""
        row.closed = True
        self.groups.leave(row)
        self.tally.left += 1
        self.changed.notify_all()

    def _run(self) -> None:
        while True:
            with self.changed:
                group = self._next()
                if group is None:
                    return
                start_s = time.monotonic()
                orders = self._take_orders(group, start_s)
            self._make(group, orders, start_s)
            with self.changed:
                group.busy = False
                self.changed.notify_all()

    def _next(self) -> Group | None:
        """Waits until there is something to make; None = the engine stops."""
        while not self._stopping:
            choice = self.groups.choose(time.monotonic(), self.tick_s)
            if choice.group is not None:
                return choice.group
            self.changed.wait(min(choice.wait_s, threading.TIMEOUT_MAX))
        return None

    def _take_orders(self, group: Group, now_s: float) -> list[TickRequest]:
        group.busy = True
        rows = group.wanting(now_s)
        for row in rows:
            row.served = self.tally.ticks
        return [row.order(group.places.index(row), self._silence) for row in rows]

    def _make(self, group: Group, orders: Sequence[TickRequest], start_s: float) -> None:
        """Makes a tick; if that fails, finds out for whom."""
        try:
            done = self._ticks.make(group, orders)
        # Whatever a stage raises ends the streams concerned, and neither the others nor the thread.
        except Exception as error:
            if len(orders) > 1:
                for order in orders:
                    self._make(group, [order], time.monotonic())
                return
            with self.changed:
                self._fail(orders[0], str(error) or type(error).__name__)
            return
        with self.changed:
            self._deliver(orders, done, start_s)

    def _deliver(self, orders: Sequence[TickRequest], done: Done, start_s: float) -> None:
        now_s = time.monotonic()
        self._lateness.add(orders[0].chunk, now_s - start_s, done.busy_s, stocked=True)
        self.tally.add_tick(now_s - start_s, done.seconds)
        for order, part in zip(orders, done.parts, strict=True):
            row = order.row
            if row.closed or row.epoch != order.epoch:
                self.tally.dropped += 1
            elif part.audio is None:
                self._fail(order, f"chunk {order.chunk} has samples that are no finite numbers")
            else:
                slack_s = row.arrive(order, now_s)
                late = self._late(row, slack_s)
                made = EngineChunk(
                    audio=part.audio,
                    chunk=order.chunk,
                    controls=order.steady,
                    slack_s=slack_s,
                    seconds=done.seconds,
                    rows=len(orders),
                    underruns=row.underruns,
                    late_stage=late,
                    steer=order.steers,
                    again=order.chunk <= row.told,
                )
                row.accept(order, made, part.state)
        spent_s = time.monotonic() - start_s - done.runner_s
        self.tally.overheads_s.append(spent_s / len(orders))

    def _late(self, row: StreamRow, slack_s: float | None) -> str:
        """Counts a chunk's slack; who is to blame if it is late, else ""."""
        if slack_s is None:
            return ""
        self.tally.slacks_s.append(slack_s)
        if slack_s >= 0.0:
            return ""
        row.underruns += 1
        blame = self._lateness.blame()
        stage = QUEUE if blame is None else blame.stage
        self.tally.add_late(stage)
        self.last_late_s = time.monotonic()
        _LOG.warning("a chunk came %.3f s late: %s", -slack_s, blame or "others were in front")
        return stage

    def _fail(self, order: TickRequest, reason: str) -> None:
        """Ends the stream that an order is of, if it has not ended by itself."""
        row = order.row
        if row.closed or row.epoch != order.epoch:
            return
        _LOG.warning("a stream ends: %s", reason)
        self.tally.failed += 1
        row.fault = reason
        row.closed = True
        self.groups.leave(row)
        row.wake()
