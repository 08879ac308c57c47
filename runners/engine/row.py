"""One stream as the worker threads see it: its controls, its state, its chunks that are unread."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from soundstage.graph.plan import Graph
from soundstage.graph.state import State
from soundstage.runners.engine.chunk import EngineChunk
from soundstage.runners.engine.schedule import Schedule
from soundstage.runners.runner import BegunTick
from soundstage.runners.sessions.injection import LiveInput

if TYPE_CHECKING:
    from soundstage.runners.engine.workers import Workers

# The most chunks of one stream in flight at once.
MOST_IN_FLIGHT = 2


@dataclass(eq=False)
class TickRequest:
    """A row's request for the next tick; the row may change while the tick is made.

    `state` and the attributes after `workers` change under the fleet's lock.

    Attributes:
        row: the row.
        slot: the row's slot in its group.
        epoch: the row's epoch; if the row has another one when the chunk is made, it is dropped.
        controls: every control's value, live input included.
        steady: the same without live input, which is the next chunk's start.
        steers: how often the stream has been steered.
        state: the state before the chunk, with the chunk's index; without values while the chunk
            before is being made.
        workers: those that make it, even if the row moves to another engine meanwhile.
        follows: the request for the chunk before, while that one is in flight; None = none is.
        after: the tick of `follows`, until this one's is begun.
        begun: the tick, while another one can follow it.
        follower: the request for the chunk after, made while this one is in flight.
    """

    row: StreamRow
    slot: int
    epoch: int
    controls: Mapping[str, Any]
    steady: Mapping[str, Any]
    steers: int
    state: State
    workers: Workers | None
    follows: TickRequest | None = None
    after: BegunTick | None = None
    begun: BegunTick | None = None
    follower: TickRequest | None = None

    @property
    def chunk(self) -> int:
        """The index of the requested chunk."""
        return self.state.chunks[0]

    @property
    def awaited(self) -> bool:
        """Whether the row still wants the chunk: it is open, and not reset, rewound or moved."""
        return not self.row.closed and self.row.epoch == self.epoch

    @property
    def first_in_flight(self) -> bool:
        """Whether the row has no earlier chunk in flight that is to arrive before this one."""
        return not self.awaited or self.row.in_flight is self

    def land(self) -> None:
        """Ends the wait for the chunk: it has arrived, or never will."""
        row, before = self.row, self.follows
        if row.in_flight is self:
            row.in_flight = self.follower
        elif before is not None and before.follower is self:
            before.follower = None  # it was dropped, and that one is still being made
        # A request that has landed keeps no tick, and no request before it.
        self.follows = self.begun = None


@dataclass(frozen=True, eq=False)
class ChunkStart:
    """The start of a chunk that may have to be made again.

    Attributes:
        chunk: its index.
        state: the state before it.
        needed_s: when it is needed; None = at once, or never.
        controls: the controls it was made with, live input included.
    """

    chunk: int
    state: State
    needed_s: float | None
    controls: Mapping[str, Any]


@dataclass(frozen=True)
class ResumePoint:
    """Where music goes on after a chunk.

    Attributes:
        state: the state after the chunk.
        controls: the controls of the chunk, without live input.
    """

    state: State
    controls: Mapping[str, Any]


@dataclass(eq=False)
class StreamRow:
    """One stream; it is read and changed under the fleet's lock.

    Attributes:
        schedule: when its chunks are needed.
        max_unread: it rests while so many chunks are unread.
        controls: every control's value.
        state: the state before its next chunk, one row.
        wake: wakes its reader; may be called from any thread.
        steers: how often it has been steered.
        epoch: changes when a chunk in progress becomes worthless.
        playing: whether chunks are to be made.
        closed: whether it has ended.
        error: why it ended; "" = no error ended it.
        unread: chunks that are made and not read, each with its resume point.
        resume_point: after the last chunk that was read.
        live_input: collects the audio that was sent; None = none ever was.
        live_by_chunk: the live input of each of the last chunks, by the chunk's index.
        newest_read: the index of the newest chunk read since the music's beginning; -1 = none.
        last_served: the number of ticks that its engine had made when its last chunk was requested.
        underruns: chunks that were late.
        starts: the starts of the last chunks: those made ahead, and the chunk that sounds.
        workers: those of the engine that makes its chunks; None = it has no slot.
        in_flight: the request for the chunk that is being made, wherever that is; None = none is.
            The chunk after it may be in flight, too: its `follower`.
        graph: what makes its chunks; engines of another graph may be there beside it.
    """

    schedule: Schedule
    max_unread: int
    controls: Mapping[str, Any]
    state: State
    wake: Callable[[], None]
    steers: int = 0
    epoch: int = 0
    playing: bool = False
    closed: bool = False
    error: str = ""
    unread: deque[tuple[EngineChunk, ResumePoint]] = field(default_factory=deque)
    resume_point: ResumePoint = field(init=False)
    live_input: LiveInput | None = None
    live_by_chunk: dict[int, Mapping[str, np.ndarray]] = field(default_factory=dict)
    newest_read: int = -1
    last_served: int = 0
    underruns: int = 0
    starts: deque[ChunkStart] = field(init=False)
    workers: Workers | None = None
    in_flight: TickRequest | None = None
    graph: Graph | None = None

    def __post_init__(self) -> None:
        self.resume_point = ResumePoint(self.state, self.controls)
        self.starts = deque(maxlen=self._remembered)

    @property
    def realtime(self) -> bool:
        """Whether its chunks are needed at certain times."""
        return self.schedule.ahead_s is not None

    @property
    def has_room(self) -> bool:
        """Whether a chunk may be made, now or as soon as it is wanted."""
        return self.playing and not self.closed and len(self.unread) < self.max_unread

    @property
    def followable(self) -> TickRequest | None:
        """The request in flight that its next request can follow at once; None = there is none.

        At most `MOST_IN_FLIGHT` chunks are in flight, and only of a realtime stream. With
        `max_unread` of 1, one chunk more than that may be unread; otherwise never.
        """
        before = self.in_flight
        if before is None or before.begun is None or before.follower is not None:
            return None
        if not self.playing or before.workers is not self.workers or not before.awaited:
            return None
        has_room = len(self.unread) + 1 < max(self.max_unread, 2)
        return before if self.realtime and has_room else None

    def request(self, slot: int, silent: Mapping[str, np.ndarray]) -> TickRequest:
        """Returns its request for the next tick.

        Args:
            slot: its slot in its group.
            silent: silence for the controls that carry live input; most pipelines have none.
        """
        return self._request(slot, self.state, silent)

    def request_after(
        self, before: TickRequest, slot: int, silent: Mapping[str, np.ndarray]
    ) -> TickRequest:
        """Returns its request for the tick after one that is in flight.

        Args:
            before: its `followable`.
            slot: its slot in its group.
            silent: silence for the controls that carry live input.
        """
        state = State(before.state.streams, (before.chunk + 1,), {})
        request = self._request(slot, state, silent)
        request.follows, request.after, before.follower = before, before.begun, request
        return request

    def arrive(self, request: TickRequest, now_s: float) -> float | None:
        """Records that a requested chunk is made; returns its slack (see `Schedule.advance`)."""
        start = ChunkStart(request.chunk, request.state, self.schedule.needed_s, request.controls)
        self.starts.append(start)
        return self.schedule.advance(now_s)

    def accept(self, request: TickRequest, chunk: EngineChunk, state: State) -> None:
        """Adds a chunk that has arrived to the unread ones.

        Args:
            request: the request for it.
            chunk: the chunk.
            state: the state after it, one row.
        """
        self.state = state
        if request.follower is not None:
            request.follower.state = state
            request.follower = None
        self.unread.append((chunk, ResumePoint(state, request.steady)))
        self.wake()

    def take(self, now_s: float) -> EngineChunk | None:
        """Removes the oldest unread chunk and returns it; None = there is none."""
        if not self.unread:
            return None
        was_full = len(self.unread) >= self.max_unread
        chunk, self.resume_point = self.unread.popleft()
        self.newest_read = max(self.newest_read, chunk.chunk)
        if was_full:
            self.schedule.forgive(now_s)
        return chunk

    def stop(self, now_s: float, hold: bool) -> None:
        """Requests no more chunks for now (see `Schedule.stop`)."""
        self.playing = False
        self.schedule.stop(now_s, hold)
        # From now on the schedule does not tell how much of them has been heard.
        self.starts.clear()

    def reset(self, state: State, now_s: float) -> int:
        """Starts the music again; returns how many unread chunks are dropped."""
        dropped = len(self.unread)
        self.unread.clear()
        self.starts.clear()
        self.live_by_chunk.clear()
        self.epoch += 1
        self.newest_read = -1
        self.state = state
        self.resume_point = ResumePoint(state, self.controls)
        self.schedule.restart(now_s)
        return dropped

    def rewind(self, not_before_s: float) -> int:
        """Goes back to the first chunk that can be made again before it is needed.

        Args:
            not_before_s: the earliest need that can be met.

        Returns:
            How many chunks are dropped; they are made again.
        """
        back = next((one for one in self.starts if self._can_rewind(one, not_before_s)), None)
        if back is None:
            # The chunk in progress is dropped, if there is time for another one. A first chunk
            # never is: a client that steers again and again would never hear anything.
            needed_s = self.schedule.needed_s
            self.epoch += needed_s is not None and needed_s >= not_before_s
            return 0
        dropped = self.state.chunks[0] - back.chunk
        self._forget_from(back.chunk)
        self.epoch += 1
        self.state = back.state
        self.schedule.needed_s = back.needed_s
        return dropped

    def end_s(self, start: ChunkStart) -> float | None:
        """Returns when a chunk that was started has been heard; None = it is non-realtime."""
        later = (one.needed_s for one in self.starts if one.chunk == start.chunk + 1)
        return next(later, self.schedule.needed_s)

    def change_over(self, start: ChunkStart, chunk: EngineChunk, end: ResumePoint) -> int:
        """Replaces one of its chunks, and those after it, by a chunk that was made elsewhere.

        Args:
            start: the start of its own chunk, one of `starts`.
            chunk: the chunk that replaces it, but for its steers and underruns.
            end: where the music goes on after it.

        Returns:
            How many chunks are dropped.
        """
        end_s = self.end_s(start)
        dropped = self.state.chunks[0] - start.chunk
        self._forget_from(start.chunk)
        self.epoch += 1
        self.starts.append(start)
        self.schedule.needed_s = end_s
        self.state = end.state
        again = start.chunk <= self.newest_read
        chunk = replace(chunk, steer=self.steers, underruns=self.underruns, again=again)
        self.unread.append((chunk, end))
        self.wake()
        return dropped

    @property
    def _remembered(self) -> int:
        """How many chunks may be made again: those made ahead, and the chunk that sounds."""
        return self.max_unread + 2

    def _request(self, slot: int, state: State, silent: Mapping[str, np.ndarray]) -> TickRequest:
        chunk, live = state.chunks[0], silent
        if self.live_input is not None:
            live = self._take_live(self.live_input, chunk, silent)
        steady = self.controls
        controls = {**steady, **live} if live else steady
        return TickRequest(
            self, slot, self.epoch, controls, steady, self.steers, state, self.workers
        )

    def _take_live(
        self, live_input: LiveInput, chunk: int, silent: Mapping[str, np.ndarray]
    ) -> Mapping[str, np.ndarray]:
        """Returns a chunk's live input; if it is made again, that of the first time."""
        if chunk not in self.live_by_chunk:
            self.live_by_chunk[chunk] = dict.fromkeys(silent, live_input.take())
            self.live_by_chunk.pop(chunk - self._remembered, None)
        return self.live_by_chunk[chunk]

    def _forget_from(self, chunk: int) -> None:
        while self.starts and self.starts[-1].chunk >= chunk:
            self.starts.pop()
        while self.unread and self.unread[-1][0].chunk >= chunk:
            self.unread.pop()

    def _can_rewind(self, start: ChunkStart, not_before_s: float) -> bool:
        if start.needed_s is not None:
            return start.needed_s >= not_before_s
        # The first chunk, or one of a non-realtime stream: only if it is unread.
        return start.chunk > self.newest_read
