"""The threads that make chunks: each takes the most urgent group, makes its tick, and repeats."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence

from soundstage.runners.engine.chunk import EngineChunk
from soundstage.runners.engine.counts import EngineCounts, median_of
from soundstage.runners.engine.groups import Group, Groups
from soundstage.runners.engine.row import StreamRow, TickRequest
from soundstage.runners.engine.ticks import Done, Ticks
from soundstage.runners.runner import Runner
from soundstage.runners.sessions.injection import silence
from soundstage.runners.timing.lateness import Lateness

_LOG = logging.getLogger(__name__)
# `late_stage` of a chunk that was late although no stage was slow.
QUEUE = "queue"
# How many of the last ticks tell how long one takes alone.
RECENT_ALONE = 10


class Workers:
    """Threads that make the chunks of all rows; each makes one tick at a time.

    Ticks of different groups are independent, so one can be in the decoder while another is in
    the transformer: two workers keep both busy, more only add waiting.

    Attributes:
        changed: the engine's lock; notified when a worker may have something to do.
        groups: the slots and their rows.
        counts: what has happened so far.
        last_late_s: when a chunk was last late; minus infinity = never.
    """

    def __init__(
        self, runner: Runner, groups: Groups, counts: EngineCounts, workers: int, tick_s: float
    ) -> None:
        """Prepares the threads.

        Args:
            runner: makes the chunks; warm.
            groups: the slots.
            counts: updated under the lock.
            workers: how many threads, and thus ticks at the same time.
            tick_s: how long a tick takes, until ticks have been timed.
        """
        self.changed = threading.Condition()
        self.groups = groups
        self.counts = counts
        self.last_late_s = float("-inf")
        self._ticks = Ticks(runner)
        self._silence = silence(runner.graph)
        self._lateness = Lateness(runner.graph.format.chunk_s)
        self._first_tick_s = tick_s
        self._stopping = False
        # Seconds of each of the last ticks during which no other tick was in progress, and the
        # ticks in progress that have been alone so far.
        self._alone_s: deque[float] = deque(maxlen=RECENT_ALONE)
        self._in_progress, self._alone = 0, True
        self._threads = [
            threading.Thread(target=self._run, name=f"worker-{number}", daemon=True)
            for number in range(workers)
        ]

    @property
    def tick_s(self) -> float:
        """How long a tick usually takes; the caller holds the lock."""
        return median_of(self.counts.ticks_s) or self._first_tick_s

    def alone_s(self, least: int) -> float | None:
        """How long a tick takes alone, of the last such ticks; the caller holds the lock.

        Args:
            least: the least number of such ticks; None is returned for fewer.
        """
        return None if len(self._alone_s) < least else median_of(self._alone_s)

    def start(self) -> None:
        """Starts the threads."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Waits until the ticks in progress are made, and ends the threads."""
        with self.changed:
            self._stopping = True
            self.changed.notify_all()
        for thread in self._threads:
            thread.join()

    def leave(self, row: StreamRow) -> None:
        """Closes a row and frees its slot; the caller holds the lock."""
        row.closed = True
        self.groups.leave(row)
        self.counts.left += 1
        self.changed.notify_all()

    def _run(self) -> None:
        while True:
            with self.changed:
                group = self._next_group()
                if group is None:
                    return
                start_s = time.monotonic()
                requests = self._take_requests(group, start_s)
                self._alone = not self._in_progress
                self._in_progress += 1
            self._make(group, requests, start_s)
            with self.changed:
                group.busy = False
                self._in_progress -= 1
                if self._alone and not self._in_progress:
                    self._alone_s.append(time.monotonic() - start_s)
                self.changed.notify_all()

    def _next_group(self) -> Group | None:
        """Waits until a group's tick is to be made; None = the engine stops."""
        while not self._stopping:
            choice = self.groups.choose(time.monotonic(), self.tick_s)
            if choice.group is not None:
                return choice.group
            self.changed.wait(min(choice.wait_s, threading.TIMEOUT_MAX))
        return None

    def _take_requests(self, group: Group, now_s: float) -> list[TickRequest]:
        group.busy = True
        rows = group.wanting(now_s)
        for row in rows:
            row.last_served = self.counts.ticks
        return [row.request(group.slots.index(row), self._silence) for row in rows]

    def _make(self, group: Group, requests: Sequence[TickRequest], start_s: float) -> None:
        """Makes a tick; if it fails, makes each row alone to find those that fail."""
        try:
            result = self._ticks.make(group, requests)
        # Any error of a stage ends the streams that cause it, not the others and not the thread.
        except Exception as error:
            if len(requests) > 1:
                for request in requests:
                    self._make(group, [request], time.monotonic())
                return
            with self.changed:
                self._fail(requests[0], str(error) or type(error).__name__)
            return
        with self.changed:
            self._deliver(requests, result, start_s)

    def _deliver(self, requests: Sequence[TickRequest], result: Done, start_s: float) -> None:
        now_s = time.monotonic()
        self._lateness.add(requests[0].chunk, now_s - start_s, result.busy_s, stocked=True)
        self.counts.add_tick(now_s - start_s, result.seconds)
        for request, row_result in zip(requests, result.rows, strict=True):
            row = request.row
            if row.closed or row.epoch != request.epoch:
                self.counts.dropped += 1
            elif row_result.audio is None:
                self._fail(request, f"chunk {request.chunk} has samples that are not finite")
            else:
                slack_s = row.arrive(request, now_s)
                late_stage = self._late_stage(row, slack_s)
                chunk = EngineChunk(
                    audio=row_result.audio,
                    chunk=request.chunk,
                    controls=request.steady,
                    slack_s=slack_s,
                    seconds=result.seconds,
                    rows=len(requests),
                    underruns=row.underruns,
                    late_stage=late_stage,
                    steer=request.steers,
                    again=request.chunk <= row.newest_read,
                    not_understood=row_result.not_understood,
                )
                row.accept(request, chunk, row_result.state)
        overhead_s = time.monotonic() - start_s - result.runner_s
        self.counts.overheads_s.append(overhead_s / len(requests))

    def _late_stage(self, row: StreamRow, slack_s: float | None) -> str:
        """Counts a chunk's slack; returns the stage that made it late, "" if it is not late."""
        if slack_s is None:
            return ""
        self.counts.slacks_s.append(slack_s)
        if slack_s >= 0.0:
            return ""
        row.underruns += 1
        blame = self._lateness.blame()
        stage = QUEUE if blame is None else blame.stage
        self.counts.add_late(stage)
        self.last_late_s = time.monotonic()
        reason = blame or "it waited for the ticks of other streams"
        _LOG.warning("a chunk was %.3f s late: %s", -slack_s, reason)
        return stage

    def _fail(self, request: TickRequest, reason: str) -> None:
        """Ends the stream of a request, unless it has ended or was reset meanwhile."""
        row = request.row
        if row.closed or row.epoch != request.epoch:
            return
        _LOG.warning("a stream ends: %s", reason)
        self.counts.failed += 1
        row.error = reason
        row.closed = True
        self.groups.leave(row)
        row.wake()
