"""The threads that make chunks: each takes the most urgent group, makes its tick, and repeats."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from soundstage.runners.engine.chunk import EngineChunk, TickRecord
from soundstage.runners.engine.counts import EngineCounts, median_of
from soundstage.runners.engine.groups import Choice, Group, Groups
from soundstage.runners.engine.load import LearntLoad
from soundstage.runners.engine.refusals import EngineLost
from soundstage.runners.engine.row import StreamRow, TickRequest
from soundstage.runners.engine.ticks import Done, RowResult, Ticks
from soundstage.runners.runner import Runner
from soundstage.runners.sessions.injection import silence
from soundstage.runners.timing.lateness import Lateness

_LOG = logging.getLogger(__name__)
# `late_stage` of a chunk that was late although no stage was slow.
QUEUE = "queue"
# The longest wait for the ticks in progress when an engine is closed: its process may hang.
MOST_WAIT_S = 30.0


class Workers:
    """Threads that make the chunks of an engine's rows; each makes one tick at a time.

    Ticks of different groups are independent, so one can be in the decoder while another is in
    the transformer: two workers keep both busy, more only add waiting. If a realtime stream wants
    its next chunk before its last one is made, the two overlap likewise: the next one's stages
    start as soon as what they read is ready.

    Attributes:
        changed: the fleet's lock; notified when a worker of this engine may have something to do.
        groups: the slots and their rows.
        counts: what has happened so far.
        load: how long chunks take, as the ticks show it.
        live: whether ticks are begun; not while the engine's process is lost.
        last_late_s: when a chunk was last late; minus infinity = never.
    """

    def __init__(
        self,
        runner: Runner,
        groups: Groups,
        counts: EngineCounts,
        load: LearntLoad,
        *,
        workers: int,
        window: int,
        lock: threading.RLock,
        lost: Callable[[EngineLost], None],
        number: int,
    ) -> None:
        """Prepares the threads.

        Args:
            runner: makes the chunks; warm.
            groups: the slots.
            counts: updated under the lock.
            load: updated under the lock.
            workers: how many threads, and thus ticks at the same time.
            window: the most chunks of one stream in flight at once.
            lock: guards the rows of all engines of a fleet.
            lost: called under the lock, if the engine's process is lost in a tick.
            number: the engine's number in the fleet.
        """
        self.changed = threading.Condition(lock)
        self.groups = groups
        self.counts = counts
        self.load = load
        self.live = True
        self.last_late_s = float("-inf")
        self._lost, self._number = lost, number
        self._ticks = Ticks(runner, window)
        self._silence = silence(runner.graph)
        self._lateness = Lateness(runner.graph.format.chunk_s)
        self._stopping = False
        # When each of the ticks in progress was begun.
        self._begun_s: dict[int, float] = {}
        self._threads = [
            threading.Thread(target=self._run, args=(number,), name=f"worker-{number}", daemon=True)
            for number in range(workers)
        ]

    @property
    def tick_s(self) -> float:
        """How long a tick usually takes; the caller holds the lock."""
        return median_of(self.counts.ticks_s) or self.load.measured.takes_s(1)

    def longest_s(self, now_s: float) -> float:
        """How long the longest of the ticks in progress has taken; the caller holds the lock."""
        return now_s - min(self._begun_s.values(), default=now_s)

    def start(self) -> None:
        """Starts the threads."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ends the threads when the ticks in progress are made; waits for that, up to a limit."""
        with self.changed:
            self._stopping = True
            self.changed.notify_all()
        until_s = time.monotonic() + MOST_WAIT_S
        for thread in self._threads:
            thread.join(max(0.0, until_s - time.monotonic()))

    def join(self, row: StreamRow) -> None:
        """Gives a row a slot; the caller holds the lock."""
        self.groups.join(row)
        row.workers = self
        self.changed.notify_all()

    def leave(self, row: StreamRow) -> None:
        """Frees a row's slot; a chunk of it that is being made still arrives."""
        self.groups.leave(row)
        row.workers = None
        self.changed.notify_all()

    def _run(self, number: int) -> None:
        while True:
            with self.changed:
                choice = self._next_choice()
                group = choice.group
                if group is None:
                    return
                start_s = self._begun_s[number] = time.monotonic()
                requests = self._take_requests(group, choice.follows, start_s)
                self.load.begin(start_s)
            made = self._make(group, requests, start_s)
            with self.changed:
                group.ticks -= 1
                del self._begun_s[number]
                chunks = group.size_for(len(requests)) if made else 0
                self.load.end(time.monotonic(), chunks, sized=bool(group.sizes))
                self.changed.notify_all()

    def _next_choice(self) -> Choice:
        """Waits until a group's tick is to be made; without a group the engine stops."""
        while not self._stopping:
            if not self.live:
                self.changed.wait()
                continue
            choice = self.groups.choose(time.monotonic(), self.tick_s)
            if choice.group is not None:
                return choice
            self.changed.wait(min(choice.wait_s, threading.TIMEOUT_MAX))
        return Choice(None)

    def _take_requests(self, group: Group, follows: bool, now_s: float) -> list[TickRequest]:
        group.ticks += 1
        if follows:
            return [self._follow(row) for row in group.following()]
        requests = []
        for position, row in enumerate(group.wanting(now_s)):
            row.last_served = self.counts.ticks
            row.in_flight = row.request(group.slot_of(row, position), self._silence)
            requests.append(row.in_flight)
        return requests

    def _follow(self, row: StreamRow) -> TickRequest:
        row.last_served = self.counts.ticks
        before = row.followable
        assert before is not None  # `Groups.choose` has seen it, under the same lock
        return row.request_after(before, before.slot, self._silence)

    def _make(self, group: Group, requests: Sequence[TickRequest], start_s: float) -> bool:
        """Makes a tick; if it fails, makes each row alone to find those that fail.

        Returns:
            Whether its time tells how long a tick takes: one that overlaps with another waits.
        """
        overlaps = requests[0].follows is not None
        try:
            if self._ticks.overlap and len(group.slots) == 1:
                result = self._make_overlapping(group, requests[0], start_s)
            else:
                result = self._ticks.make(group, requests)
        except EngineLost as error:
            with self.changed:
                for request in requests:
                    self._land(request)  # another engine makes the same chunk
                self._lost(error)
            return False
        # Any error of a stage ends the streams that cause it, not the others and not the thread.
        except Exception as error:
            if len(requests) > 1:
                for request in requests:
                    alone = replace(request, slot=0) if group.sizes else request
                    alone.row.in_flight = alone
                    self._make(group, [alone], time.monotonic())
                return False
            with self.changed:
                self._await_turn(requests[0])
                self._fail(requests[0], str(error) or type(error).__name__)
            return False
        with self.changed:
            overlaps = overlaps or requests[0].follower is not None
            self._deliver(requests, result, start_s)
        return not overlaps

    def _make_overlapping(self, group: Group, request: TickRequest, start_s: float) -> Done:
        """Makes a tick that another one may follow; drops it if the chunk is not awaited any more.

        Raises:
            StageFailed: a stage failed for it, or for the tick that it follows.
            CancelledError: it was dropped.
        """
        begun = self._ticks.begin(request)
        with self.changed:
            request.begun, request.after = begun, None
            if request.row.realtime:
                self.changed.notify_all()  # another thread may begin the next one
            self._await_turn(request)
            dropped = request.follows is not None and not request.awaited
            if not dropped:
                request.follows = None  # it has landed
        if dropped:
            begun.cancel()
        return self._ticks.end(group, request, begun, start_s)

    def _await_turn(self, request: TickRequest) -> None:
        """Waits until the chunk that a request follows has been delivered; holds the lock."""
        while not request.first_in_flight:
            self.changed.wait()

    def _deliver(self, requests: Sequence[TickRequest], result: Done, start_s: float) -> None:
        now_s = time.monotonic()
        self._lateness.add(requests[0].chunk, now_s - start_s, result.busy_s, stocked=True)
        self.counts.add_tick(now_s - start_s, result.seconds)
        for request, row_result in zip(requests, result.rows, strict=True):
            self._land(request)
            if not request.awaited:
                self.counts.dropped += 1
            else:
                self._accept(request, row_result, result, len(requests), now_s)
        overhead_s = time.monotonic() - start_s - result.runner_s
        self.counts.overheads_s.append(overhead_s / len(requests))

    def _accept(
        self, request: TickRequest, made: RowResult, result: Done, rows: int, now_s: float
    ) -> None:
        row = request.row
        if made.audio is None:
            self._fail(request, f"chunk {request.chunk} has samples that are not finite")
            return
        slack_s = row.arrive(request, now_s)
        late_stage = self._late_stage(row, slack_s)
        chunk = EngineChunk(
            audio=made.audio,
            chunk=request.chunk,
            controls=request.steady,
            slack_s=slack_s,
            seconds=result.seconds,
            rows=rows,
            underruns=row.underruns,
            late_stage=late_stage,
            tick=TickRecord(
                self._number, result.end_s - result.runner_s, result.end_s, result.spans
            ),
            steer=request.steers,
            again=request.chunk <= row.newest_read,
            not_understood=made.not_understood,
        )
        row.accept(request, chunk, made.state)

    def _land(self, request: TickRequest) -> None:
        """Lets the row have its next chunk made, where it is now."""
        request.land()
        workers = request.row.workers
        if workers is not None and workers is not self:
            workers.changed.notify_all()

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
        self._land(request)
        if not request.awaited:
            return
        _LOG.warning("a stream ends: %s", reason)
        self.counts.failed += 1
        row.error = reason
        row.closed = True
        if row.workers is not None:
            row.workers.leave(row)
        row.wake()
