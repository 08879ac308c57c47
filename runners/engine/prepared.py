"""What a stream would be with other controls, made beforehand in a place of its own."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from soundstage.graph.state import State
from soundstage.runners.engine.chunk import EngineChunk
from soundstage.runners.engine.row import ChunkStart, ResumePoint, StreamRow, TickRequest

# The chunk that sounds, and the one behind it.
_AT_ONCE = 2
# A chunk is worth making, or changing to, if its end is further away than so many ticks: the one
# that follows on it has to be made in that time.
_TICKS_LEFT = 2.0


@dataclass(frozen=True, eq=False)
class PreparedChunk:
    """A chunk as it would be.

    Attributes:
        begun: where it begins, and when it is needed.
        made: it.
        behind: where the music goes on behind it.
    """

    begun: ChunkStart
    made: EngineChunk
    behind: ResumePoint


@dataclass(eq=False)
class PreparedRow(StreamRow):
    """A row beside another, its lead: makes the lead's chunks once more, with other controls.

    Each of them begins where the lead's own began, so that the music can change over within the
    chunk that sounds. It has a place like any other row and is served like a stream of pace "fast":
    with what the realtime streams leave. A lead that stands still gives it nothing to do.

    Attributes:
        lead: the row it follows.
        tick_s: what a tick takes.
        done: what is made, the oldest first.
    """

    lead: StreamRow = field(kw_only=True)
    tick_s: float = field(kw_only=True)
    done: list[PreparedChunk] = field(init=False)
    _news: tuple[object, ...] = field(init=False, default=())
    _wanted: ChunkStart | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.done = []

    @property
    def has_room(self) -> bool:
        """Whether the lead has begun a chunk that is not rehearsed yet and still of use."""
        if self.closed or not self.lead.playing:
            return False
        # Asked several times for one order, and time goes on: what was of use is until there is
        # news. What was of none never will be.
        news = (*self.lead.begun, *self.done)
        if news != self._news:
            self._news, self._wanted = news, self._next()
        return self._wanted is not None

    def change(self, controls: Mapping[str, Any]) -> None:
        """Rehearses something else."""
        self.controls = controls
        self.epoch += 1
        self.done, self._news, self._wanted = [], (), None

    def order(self, place: int, silent: Mapping[str, np.ndarray]) -> TickRequest:
        """What it asks of a tick: the lead's chunk, and the audio that the lead was given."""
        begun = self._wanted
        if begun is None:
            raise ValueError("nothing was to be rehearsed: `has_room` says so")
        steady = self.controls
        live = {name: begun.controls[name] for name in silent}
        return TickRequest(self, place, self.epoch, {**steady, **live}, steady, 0, begun.state)

    def arrive(self, order: TickRequest, now_s: float) -> float | None:
        """Nobody waits for it: there is no slack."""
        return None

    def accept(self, order: TickRequest, made: EngineChunk, state: State) -> None:
        """Keeps the chunk for as long as it is of use."""
        begun = next((one for one in self.lead.begun if one.state is order.state), None)
        if begun is not None:
            kept = [one for one in self.done if self._is_useful(one.begun, time.monotonic())]
            self.done = [*kept, PreparedChunk(begun, made, ResumePoint(state, order.steady))]

    def choose(self, now_s: float) -> PreparedChunk | None:
        """The earliest chunk to change over in; None = nothing is ready."""
        useful = (one for one in self.done if self._is_useful(one.begun, now_s))
        return min(useful, key=lambda one: one.made.chunk, default=None)

    def _next(self) -> ChunkStart | None:
        """The next chunk to rehearse."""
        now_s = time.monotonic()
        useful = [begun for begun in self.lead.begun if self._is_useful(begun, now_s)]
        done = [one.begun for one in self.done]
        return next((begun for begun in useful[:_AT_ONCE] if begun not in done), None)

    def _is_useful(self, begun: ChunkStart, now_s: float) -> bool:
        """Whether the lead's music still has it, and there is time for what follows on it."""
        if begun not in self.lead.begun:
            return False
        end_s = self.lead.end_s(begun)
        if end_s is None:
            # Nobody keeps time: what was read is out of hand.
            return begun.chunk > self.lead.told
        return end_s - now_s > _TICKS_LEFT * self.tick_s
