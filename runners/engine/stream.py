"""A listener's handle on one stream of an engine; for use on the engine's event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

import numpy as np

from soundstage.graph.plan import Graph
from soundstage.graph.state import State, initial
from soundstage.runners.engine.chunk import EngineChunk
from soundstage.runners.engine.prepared import PreparedRow
from soundstage.runners.engine.refusals import StreamEnded, StreamFailed
from soundstage.runners.engine.row import ResumePoint, StreamRow
from soundstage.runners.engine.schedule import Schedule
from soundstage.runners.engine.stream_controls import same_controls, steered
from soundstage.runners.engine.workers import Workers
from soundstage.runners.sessions.injection import LiveInput, inject_control

Pace: TypeAlias = Literal["realtime", "fast"]


class EngineStream:
    """One endless piece of music that an engine makes; a row of its batch.

    It joins paused. Iterate to get chunks: each `async for` step waits for the next one, or for
    `play`. Iteration ends when the stream is closed or the engine has closed; one reader at a time.

    Nothing but iteration waits; whatever is asked is in force at the next tick border, which is the
    next chunk of this stream that is begun.
    """

    def __init__(
        self,
        graph: Graph,
        lanes: Workers,
        row: StreamRow,
        news: asyncio.Event,
        admit: Callable[[StreamRow], None],
        write: Callable[[ResumePoint], bytes],
    ) -> None:
        """Handed out by `Engine.join`.

        Args:
            graph: what makes the music.
            lanes: who makes it.
            row: the stream as they know it.
            news: set on the event loop when there is something new.
            admit: gives another row a place beside this one, or raises Full.
            write: makes a session of what is behind a chunk.
        """
        self._graph, self._lanes, self._row = graph, lanes, row
        self._news, self._admit, self._write = news, admit, write
        self._rehearsal: PreparedRow | None = None
        self._hears: tuple[int | None, int] | None = None

    @property
    def controls(self) -> Mapping[str, Any]:
        """Every control's present value, by name."""
        return self._row.controls

    @property
    def playing(self) -> bool:
        """Whether chunks are being made."""
        return self._row.playing and not self._row.closed

    @property
    def closed(self) -> bool:
        """Whether it has left."""
        return self._row.closed

    @property
    def unread(self) -> int:
        """Chunks that are made and not read."""
        return len(self._row.unread)

    @property
    def underruns(self) -> int:
        """Chunks that were late."""
        return self._row.underruns

    def steer(self, changes: Mapping[str, Any], *, again: bool = False) -> int:
        """Changes controls from the next chunk to be begun on.

        Args:
            changes: new values by name; "prompts" is short for the four prompt controls.
            again: also make those chunks again which are made but not needed for long enough: their
                indices come a second time (`EngineChunk.again`), for a listener that can still put
                the new chunk in the old one's place. It is heard up to `buffer_chunks` sooner, and
                costs the making of them. What was prepared comes at once, and may take the place
                of the chunk that sounds.

        Returns:
            How often the stream has been steered: `EngineChunk.steer` of the first chunk with it.

        Raises:
            ControlRefused: a value is refused; nothing has changed and the music goes on.
            StreamEnded: the stream is closed.
        """
        row = self._alive()
        controls = steered(self._graph, changes, row.controls)
        with self._lanes.changed:
            row.controls = controls
            row.steers += 1
            if again:
                self._lanes.tally.dropped += self._make_again(row)
            self._end_rehearsal()
            self._lanes.changed.notify_all()
        return row.steers

    def prepare(self, changes: Mapping[str, Any]) -> None:
        """Has made beforehand, in a spare place, what the music would be with other controls.

        `steer` with the same changes and `again` then changes over to it at once. Until then it
        follows the music, at the cost of one stream of pace "fast". Another call replaces it.

        Args:
            changes: new values by name, as for `steer`.

        Raises:
            ControlRefused: a value is refused; nothing has changed.
            Full: no place is free; the music goes on.
            StreamEnded: the stream is closed.
        """
        row = self._alive()
        controls = steered(self._graph, changes, row.controls)
        with self._lanes.changed:
            spare = self._rehearsal
            if spare is None or spare.closed:
                tick_s, unread = self._lanes.tick_s, row.most_unread
                schedule = Schedule(self._graph.format.chunk_s, None)
                spare = PreparedRow(
                    schedule, unread, controls, row.state, _nobody, lead=row, tick_s=tick_s
                )
                self._admit(spare)
                self._rehearsal = spare
            elif not same_controls(spare.controls, controls):
                spare.change(controls)
            self._lanes.changed.notify_all()

    def unprepare(self) -> None:
        """Gives back the place that `prepare` took. Idempotent."""
        with self._lanes.changed:
            self._end_rehearsal()

    @property
    def prepared(self) -> bool:
        """Whether what was prepared could be heard at once."""
        with self._lanes.changed:
            spare = self._rehearsal
            return spare is not None and spare.choose(time.monotonic()) is not None

    def play(self) -> None:
        """Makes chunks, from where it is; the first is due at once.

        Raises:
            StreamEnded: the stream is closed.
        """
        row = self._alive()
        with self._lanes.changed:
            if not row.playing:
                row.playing = True
                row.schedule.start(time.monotonic())
            self._lanes.changed.notify_all()

    def pause(self, *, hold: bool = False) -> None:
        """Begins no further chunk; what is made already can be read. It keeps its place.

        Args:
            hold: whether the listener falls silent at once and later goes on with what it has;
                otherwise it is taken to play what it has, and to need more as soon as it plays.

        Raises:
            StreamEnded: the stream is closed.
        """
        row = self._alive()
        with self._lanes.changed:
            if row.playing:
                row.stop(time.monotonic(), hold)

    def reset(self, seed: int | None = None, state: State | None = None) -> None:
        """Forgets the context: the next chunk is chunk 0 again. Unread chunks are dropped.

        Args:
            seed: another seed, which ends what was prepared; None keeps it, and with it the music.
            state: where to begin instead, of one row (see `runners.sessions.continuation`).

        Raises:
            ControlRefused: the seed is refused.
            StreamEnded: the stream is closed.
        """
        row = self._alive()
        changes = {} if seed is None else {"seed": seed}
        controls = steered(self._graph, changes, row.controls)
        with self._lanes.changed:
            row.controls = controls
            if changes:
                # What was prepared would go on with the seed of before.
                self._end_rehearsal()
            fresh = state or initial(self._graph, row.state.streams)
            self._lanes.tally.dropped += row.reset(fresh, time.monotonic())
            self._lanes.changed.notify_all()

    def hear(self, samples: np.ndarray, rate_hz: int | None = None) -> None:
        """Plays audio into the music; each chunk hears what came in since the one before.

        Args:
            samples: float32 [sample, channel], the format's channels or one; any number of them.
            rate_hz: their rate; None = the format's.

        Raises:
            NotInjectable: the pipeline takes no audio.
            InputError: the samples or the rate are impossible; nothing was added.
            StreamEnded: the stream is closed.
        """
        row = self._alive()
        inject_control(self._graph)
        channels = samples.shape[1] if samples.ndim == 2 else self._graph.format.channels
        live = row.heard
        if live is None or (rate_hz, channels) != self._hears:
            live = LiveInput(self._graph.format, rate_hz, channels)
        live.write(samples)
        with self._lanes.changed:
            row.heard, self._hears = live, (rate_hz, channels)

    def save(self) -> bytes:
        """The session behind the last chunk that was read, as `soundstage.resume` opens it."""
        with self._lanes.changed:
            behind = self._row.read
        return self._write(behind)

    def __aiter__(self) -> EngineStream:
        return self

    async def __anext__(self) -> EngineChunk:
        """Waits for the next chunk.

        Raises:
            StreamFailed: a stage failed for this stream; it is closed.
        """
        row = self._row
        while True:
            self._news.clear()
            with self._lanes.changed:
                made = row.take(time.monotonic())
                if made is not None:
                    self._lanes.tally.chunks += 1
                    self._lanes.changed.notify_all()
                    return made
                closed, fault = row.closed, row.fault
            if fault:
                raise StreamFailed(fault)
            if closed:
                raise StopAsyncIteration
            await self._news.wait()

    async def close(self) -> None:
        """Leaves the batch; its place is free at once. What is unread is dropped. Idempotent."""
        row = self._row
        with self._lanes.changed:
            self._end_rehearsal()
            if not row.closed:
                row.unread.clear()
                self._lanes.leave(row)
        row.wake()

    def _make_again(self, row: StreamRow) -> int:
        """Makes again what can be, or changes over to what is made; returns the chunks dropped."""
        now_s, spare = time.monotonic(), self._rehearsal
        if spare is not None and same_controls(spare.controls, row.controls):
            ready = spare.choose(now_s)
            if ready is not None:
                return row.change_over(ready.begun, ready.made, ready.behind)
        # What is under way may be in front, and then comes this one's own tick.
        return row.rewind(now_s + 2 * self._lanes.tick_s)

    def _end_rehearsal(self) -> None:
        spare, self._rehearsal = self._rehearsal, None
        if spare is not None and not spare.closed:
            self._lanes.leave(spare)

    def _alive(self) -> StreamRow:
        if self._row.closed:
            raise StreamEnded(self._row.fault or "the stream is closed")
        return self._row


def _nobody() -> None:
    """Wakes nobody: what is rehearsed has no reader."""
