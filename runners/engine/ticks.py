"""From the requests of rows to one tick of the runner, and back to a result for each row."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from soundstage.graph.port import array_bytes
from soundstage.graph.state import State, initial, join
from soundstage.runners.engine.groups import Group
from soundstage.runners.engine.row import TickRequest
from soundstage.runners.runner import BegunTick, Chunk, OverlappingRunner, Runner, StageFailed, Tick
from soundstage.runners.spans import Span, now_s
from soundstage.runners.timing.timings import busy_s

# Controls of more bytes are not kept for a slot whose stream has left.
LARGE_BYTES = 1 << 20
# The streams of a tick of one row.
_ALONE = ("0",)


@dataclass(frozen=True)
class RowResult:
    """One row's part of a tick.

    Attributes:
        audio: float32 `[sample, channel]`, read-only; None = it has samples that are not finite.
        state: the state after the chunk, one row.
        not_understood: see `Chunk.not_understood`.
    """

    audio: np.ndarray | None
    state: State
    not_understood: Mapping[str, str]


@dataclass(frozen=True)
class Done:
    """A tick that has been made.

    Attributes:
        rows: a result for each request, in the order of the requests.
        seconds: wall time by stage.
        busy_s: how long each stage worked on it.
        runner_s: how long the runner took.
        end_s: when it was made, in seconds since the epoch.
        spans: see `Chunk`.
    """

    rows: Sequence[RowResult]
    seconds: Mapping[str, float]
    busy_s: Mapping[str, float]
    runner_s: float
    end_s: float
    spans: tuple[Span, ...]


class Ticks:
    """Makes the ticks of groups, always with a row for every slot, or of one of the group's sizes.

    A row's bytes may depend on how many rows a tick has: compilers choose other kernels for other
    shapes. So a slot without a request makes music that is thrown away. It has the controls of the
    slot's last chunk, unless they are large, so that stages which read only controls have nothing
    to do. If all ticks have the same size, it goes on from chunk to chunk, so that stages with a
    memo find it.

    Attributes:
        overlap: whether a tick of a group of one slot can be begun before the one before is made.
    """

    def __init__(self, runner: Runner, window: int) -> None:
        """Makes no tick yet.

        Args:
            runner: makes the chunks; warm.
            window: the most chunks of one stream in flight at once.
        """
        self._runner = runner
        self._overlapping = runner if isinstance(runner, OverlappingRunner) else None
        self.overlap = window > 1 and self._overlapping is not None
        self._graph = runner.graph
        self._defaults = {name: c.default for name, c in runner.graph.controls.items()}

    def make(self, group: Group, requests: Sequence[TickRequest]) -> Done:
        """Makes one chunk for every request; threads may call it at once for different groups.

        Raises:
            StageFailed: a stage failed for one of the rows.
        """
        start_s = time.monotonic()
        return self._done(group, requests, self._chunk(group, requests), start_s)

    def begin(self, request: TickRequest) -> BegunTick:
        """Begins the tick of a request in a group of one slot; only if ticks can `overlap`.

        It goes on from the request's state, or from the tick in flight that the request follows.
        """
        if request.after is not None:
            return request.after.follow(Tick(_ALONE, (request.chunk,), (request.controls,)))
        assert self._overlapping is not None
        state = request.state.rename(_ALONE)
        return self._overlapping.begin(Tick(_ALONE, state.chunks, (request.controls,)), state)

    def end(self, group: Group, request: TickRequest, begun: BegunTick, start_s: float) -> Done:
        """Waits for a tick that was begun.

        Args:
            group: the group of the request.
            request: the request.
            begun: what `begin` returned for it.
            start_s: when it was begun.

        Raises:
            StageFailed: a stage failed.
            CancelledError: the tick was cancelled.
        """
        return self._done(group, [request], begun.chunk(), start_s)

    def _done(
        self, group: Group, requests: Sequence[TickRequest], chunk: Chunk, start_s: float
    ) -> Done:
        runner_s, end_s = time.monotonic() - start_s, now_s()
        for request in requests:
            # Only now: controls that make a stage fail would end the streams in the other slots.
            small = array_bytes(request.steady) <= LARGE_BYTES
            group.last_controls[request.slot] = request.steady if small else None
        self._rest(group, requests, chunk)
        rows = [_row_result(chunk, request.slot) for request in requests]
        return Done(rows, chunk.seconds, busy_s(chunk), runner_s, end_s, chunk.spans)

    def _chunk(self, group: Group, requests: Sequence[TickRequest]) -> Chunk:
        try:
            (chunk,) = self._runner.stream(*self._composed(group, requests))
        except StageFailed:
            if not any(group.resting):
                raise
            # Music that is thrown away must not end a stream: it starts again.
            group.resting = [None] * len(group.slots)
            (chunk,) = self._runner.stream(*self._composed(group, requests))
        return chunk

    def _rest(self, group: Group, requests: Sequence[TickRequest], chunk: Chunk) -> None:
        """Notes where the slots without a request go on; in ticks of other sizes none does."""
        if not group.sizes:
            requested = {request.slot for request in requests}
            group.resting = [
                None if slot in requested else chunk.state.pick([slot])
                for slot in range(len(group.slots))
            ]

    def _composed(self, group: Group, requests: Sequence[TickRequest]) -> tuple[list[Tick], State]:
        by_slot = {request.slot: request for request in requests}
        size = group.size_for(len(requests))
        states = [
            by_slot[slot].state if slot in by_slot else state or initial(self._graph, ["rests"])
            for slot, state in enumerate(group.resting[:size])
        ]
        controls = tuple(
            by_slot[slot].controls if slot in by_slot else last or self._defaults
            for slot, last in enumerate(group.last_controls[:size])
        )
        state = join(states) if len(states) > 1 else states[0]
        state = state.rename([str(slot) for slot in range(len(states))])
        return [Tick(state.streams, state.chunks, controls)], state


def _row_result(chunk: Chunk, slot: int) -> RowResult:
    audio = chunk.audio[slot]
    if len(chunk.tick.streams) > 1:
        # A copy: a view would keep the audio of all rows for as long as one is unread.
        audio = audio.copy()
        audio.flags.writeable = False
    finite = bool(np.isfinite(audio).all())
    return RowResult(
        audio if finite else None, chunk.state.pick([slot]), chunk.not_understood[slot]
    )
