"""One stream as the engine's threads see it: what it plays, how far it is, what is unread."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from soundstage.graph.state import State
from soundstage.runners.engine.chunk import EngineChunk
from soundstage.runners.engine.schedule import Schedule
from soundstage.runners.sessions.injection import LiveInput


@dataclass(frozen=True)
class TickRequest:
    """What a row asks of the tick that is about to begin; the row may change meanwhile.

    Attributes:
        row: who asks.
        place: where it sits in its group.
        epoch: the row's epoch; if it is another when the chunk is there, the chunk is dropped.
        controls: every control's value, what is played in included.
        steady: the same without what is played in: what goes on with the next chunk.
        steers: how often it has been steered.
        state: where the chunk starts; its own index in it.
    """

    row: StreamRow
    place: int
    epoch: int
    controls: Mapping[str, Any]
    steady: Mapping[str, Any]
    steers: int
    state: State

    @property
    def chunk(self) -> int:
        """The index of the chunk asked for."""
        return self.state.chunks[0]


@dataclass(frozen=True, eq=False)
class ChunkStart:
    """Where a chunk began that may have to be made again.

    Attributes:
        chunk: its index.
        state: before it.
        needed_s: when it is needed; None = at once, or never.
        controls: those it was made with, what was played in included.
    """

    chunk: int
    state: State
    needed_s: float | None
    controls: Mapping[str, Any]


@dataclass(frozen=True)
class ResumePoint:
    """Where a session goes on: behind a chunk, with the controls of then."""

    state: State
    controls: Mapping[str, Any]


@dataclass(eq=False)
class StreamRow:
    """One stream. Whoever reads or changes it holds the engine's lock.

    Attributes:
        schedule: when its chunks are needed.
        most_unread: it rests while so many chunks are unread.
        controls: every control's value.
        state: where its next chunk starts: one row.
        wake: tells its reader that there is news; may be called from any thread.
        steers: how often it has been steered.
        epoch: counts what makes a chunk under way worthless.
        playing: whether chunks are to be made.
        closed: whether it has left.
        fault: why it ended; "" = it did not.
        unread: chunks that are made and not read.
        read: behind the last chunk that was read.
        heard: collects what is played in; None = nothing ever was.
        hears: what each of the last chunks heard of it, by the chunk's index.
        told: the index of the newest chunk read since the beginning of the music.
        served: grows with every chunk made for anyone: the last time this one was served.
        underruns: chunks that were late.
        begun: where the last chunks began: what is made ahead, and the chunk that sounds.
    """

    schedule: Schedule
    most_unread: int
    controls: Mapping[str, Any]
    state: State
    wake: Callable[[], None]
    steers: int = 0
    epoch: int = 0
    playing: bool = False
    closed: bool = False
    fault: str = ""
    unread: deque[tuple[EngineChunk, ResumePoint]] = field(default_factory=deque)
    read: ResumePoint = field(init=False)
    heard: LiveInput | None = None
    hears: dict[int, Mapping[str, np.ndarray]] = field(default_factory=dict)
    told: int = -1
    served: int = 0
    underruns: int = 0
    begun: deque[ChunkStart] = field(init=False)

    def __post_init__(self) -> None:
        self.read = ResumePoint(self.state, self.controls)
        self.begun = deque(maxlen=self._remembered)

    @property
    def realtime(self) -> bool:
        """Whether its chunks are ever needed."""
        return self.schedule.ahead_s is not None

    @property
    def has_room(self) -> bool:
        """Whether a chunk may be made, be it wanted by now or later."""
        return self.playing and not self.closed and len(self.unread) < self.most_unread

    def order(self, place: int, silent: Mapping[str, np.ndarray]) -> TickRequest:
        """What it asks of a tick.

        Args:
            place: where it sits in its group.
            silent: the controls that carry what is played in, silent; none in most pipelines.
        """
        live = silent if self.heard is None else self._hear(self.heard, silent)
        steady = self.controls
        controls = {**steady, **live} if live else steady
        return TickRequest(self, place, self.epoch, controls, steady, self.steers, self.state)

    def arrive(self, order: TickRequest, now_s: float) -> float | None:
        """A chunk that it asked for is there; returns its slack (see `Schedule.made`)."""
        begun = ChunkStart(order.chunk, order.state, self.schedule.needed_s, order.controls)
        self.begun.append(begun)
        return self.schedule.made(now_s)

    def accept(self, order: TickRequest, made: EngineChunk, state: State) -> None:
        """Takes the chunk that has arrived.

        Args:
            order: what it asked for.
            made: the chunk.
            state: behind it, one row.
        """
        self.state = state
        self.unread.append((made, ResumePoint(state, order.steady)))
        self.wake()

    def take(self, now_s: float) -> EngineChunk | None:
        """Gives the reader the oldest unread chunk; None = there is none."""
        if not self.unread:
            return None
        was_full = len(self.unread) >= self.most_unread
        made, self.read = self.unread.popleft()
        self.told = max(self.told, made.chunk)
        if was_full:
            self.schedule.give_way(now_s)
        return made

    def stop(self, now_s: float, hold: bool) -> None:
        """Wants no more chunks for now (see `Schedule.stop`)."""
        self.playing = False
        self.schedule.stop(now_s, hold)
        # How far the listener is by now, the schedule no longer tells.
        self.begun.clear()

    def reset(self, state: State, now_s: float) -> int:
        """Begins anew; returns how many unread chunks are dropped."""
        dropped = len(self.unread)
        self.unread.clear()
        self.begun.clear()
        self.hears.clear()
        self.epoch += 1
        self.told = -1
        self.state = state
        self.read = ResumePoint(state, self.controls)
        self.schedule.restart(now_s)
        return dropped

    def rewind(self, not_before_s: float) -> int:
        """Goes back to the first chunk that can be made again before anybody needs it.

        Args:
            not_before_s: the earliest need that can be met.

        Returns:
            How many chunks are dropped; they are made again.
        """
        back = next((b for b in self.begun if self._can_go_back(b, not_before_s)), None)
        if back is None:
            # At least the chunk under way, if there is time for another; never a first one, or
            # whoever asks again and again would never hear anything.
            needed_s = self.schedule.needed_s
            self.epoch += needed_s is not None and needed_s >= not_before_s
            return 0
        dropped = self.state.chunks[0] - back.chunk
        self._forget_from(back.chunk)
        self.epoch += 1
        self.state = back.state
        self.schedule.needed_s = back.needed_s
        return dropped

    def end_s(self, begun: ChunkStart) -> float | None:
        """When a chunk that was begun has been heard; None = nobody keeps time."""
        later = (one.needed_s for one in self.begun if one.chunk == begun.chunk + 1)
        return next(later, self.schedule.needed_s)

    def change_over(self, begun: ChunkStart, made: EngineChunk, behind: ResumePoint) -> int:
        """Goes on with a chunk that was made elsewhere, in the place of its own and what follows.

        Args:
            begun: where its own chunk began, one of `begun`.
            made: the chunk that takes its place; not its steers and underruns.
            behind: where the music goes on.

        Returns:
            How many chunks are dropped.
        """
        end_s = self.end_s(begun)
        dropped = self.state.chunks[0] - begun.chunk
        self._forget_from(begun.chunk)
        self.epoch += 1
        self.begun.append(begun)
        self.schedule.needed_s = end_s
        self.state = behind.state
        again = begun.chunk <= self.told
        made = replace(made, steer=self.steers, underruns=self.underruns, again=again)
        self.unread.append((made, behind))
        self.wake()
        return dropped

    @property
    def _remembered(self) -> int:
        """Chunks that may be made again: what is made ahead, and the one that sounds."""
        return self.most_unread + 2

    def _hear(self, live: LiveInput, silent: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """What the next chunk hears: if it is made again, what it heard before."""
        chunk = self.state.chunks[0]
        if chunk not in self.hears:
            self.hears[chunk] = dict.fromkeys(silent, live.take())
            self.hears.pop(chunk - self._remembered, None)
        return self.hears[chunk]

    def _forget_from(self, chunk: int) -> None:
        while self.begun and self.begun[-1].chunk >= chunk:
            self.begun.pop()
        while self.unread and self.unread[-1][0].chunk >= chunk:
            self.unread.pop()

    def _can_go_back(self, before: ChunkStart, not_before_s: float) -> bool:
        if before.needed_s is not None:
            return before.needed_s >= not_before_s
        # Of pace "fast", or the first of all: what nobody has read yet.
        return before.chunk > self.told
