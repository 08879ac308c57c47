"""A stream's chunks as they would be with other controls, made beforehand in another slot."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from soundstage.graph.state import State
from soundstage.runners.engine.chunk import EngineChunk
from soundstage.runners.engine.row import ChunkStart, ResumePoint, StreamRow, TickRequest

# How many chunks are prepared: the chunk that sounds, and the next one.
_PREPARED_CHUNKS = 2
# A chunk is worth making, or changing to, if its end is further away than so many ticks: the chunk
# after it has to be made in that time.
_TICKS_LEFT = 2.0


@dataclass(frozen=True, eq=False)
class PreparedChunk:
    """A chunk as it would be.

    Attributes:
        start: where it starts, and when it is needed.
        chunk: its audio, and the facts of its making.
        end: where the music goes on after it.
    """

    start: ChunkStart
    chunk: EngineChunk
    end: ResumePoint


@dataclass(eq=False)
class PreparedRow(StreamRow):
    """A row beside another, its lead: makes the lead's chunks once more, with other controls.

    Each of its chunks starts where the lead's own chunk started, so that the music can change over
    within the chunk that sounds. It has a slot like any other row, and is served like a
    non-realtime stream: with what the realtime streams leave. While the lead is paused, it rests.

    Attributes:
        lead: the row it follows.
        done: the prepared chunks, the oldest first.
    """

    lead: StreamRow = field(kw_only=True)
    done: list[PreparedChunk] = field(init=False)
    _seen: tuple[object, ...] = field(init=False, default=())
    _next: ChunkStart | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.done = []

    @property
    def has_room(self) -> bool:
        """Whether the lead has started a chunk that is not prepared yet and still useful."""
        if self.closed or not self.lead.playing:
            return False
        # This is read several times for one request while time goes on. The answer is kept until
        # the lead starts a chunk or one is prepared; a chunk that is not useful never will be.
        seen = (*self.lead.starts, *self.done)
        if seen != self._seen:
            self._seen, self._next = seen, self._next_start()
        return self._next is not None

    def change(self, controls: Mapping[str, Any]) -> None:
        """Prepares the chunks with other controls from now on."""
        self.controls = controls
        self.epoch += 1
        self.done, self._seen, self._next = [], (), None

    def request(self, slot: int, silent: Mapping[str, np.ndarray]) -> TickRequest:
        """Returns the request for the lead's chunk, with the live input that the lead had.

        Raises:
            ValueError: there is no chunk to prepare; `has_room` is false.
        """
        start = self._next
        if start is None:
            raise ValueError("there is no chunk to prepare: check has_room first")
        steady = self.controls
        live = {name: start.controls[name] for name in silent}
        controls = {**steady, **live}
        return TickRequest(self, slot, self.epoch, controls, steady, 0, start.state, self.workers)

    def arrive(self, request: TickRequest, now_s: float) -> float | None:
        """Returns None, for a prepared chunk is never needed."""
        return None

    def accept(self, request: TickRequest, chunk: EngineChunk, state: State) -> None:
        """Keeps a chunk for as long as it is useful."""
        start = next((one for one in self.lead.starts if one.state is request.state), None)
        if start is not None:
            kept = [one for one in self.done if self._is_useful(one.start, time.monotonic())]
            end = ResumePoint(state, request.steady)
            self.done = [*kept, PreparedChunk(start, chunk, end)]

    def choose(self, now_s: float) -> PreparedChunk | None:
        """Returns the earliest chunk to change over in; None = none is ready."""
        useful = (one for one in self.done if self._is_useful(one.start, now_s))
        return min(useful, key=lambda one: one.chunk.chunk, default=None)

    def _next_start(self) -> ChunkStart | None:
        """Returns the start of the next chunk to prepare."""
        now_s = time.monotonic()
        useful = [start for start in self.lead.starts if self._is_useful(start, now_s)]
        done = [one.start for one in self.done]
        return next((start for start in useful[:_PREPARED_CHUNKS] if start not in done), None)

    def _is_useful(self, start: ChunkStart, now_s: float) -> bool:
        """Returns whether the lead still has that chunk, and time is left to make the next one."""
        if start not in self.lead.starts:
            return False
        end_s = self.lead.end_s(start)
        if end_s is None:
            # A non-realtime stream has no clock: a chunk that was read cannot be replaced.
            return start.chunk > self.lead.newest_read
        tick_s = 0.0 if self.workers is None else self.workers.tick_s
        return end_s - now_s > _TICKS_LEFT * tick_s
