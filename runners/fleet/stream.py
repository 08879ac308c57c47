"""A client's handle on one stream of a fleet; used on the fleet's event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import numpy as np

from soundstage.graph.plan import Graph
from soundstage.graph.port import array_bytes
from soundstage.graph.state import State, initial
from soundstage.runners.engine.admission import refuse_large_session, refuse_memory
from soundstage.runners.engine.chunk import EngineChunk
from soundstage.runners.engine.prepared import PreparedRow
from soundstage.runners.engine.refusals import ControlRefused, Full, StreamEnded, StreamFailed
from soundstage.runners.engine.row import ResumePoint, StreamRow
from soundstage.runners.engine.schedule import Schedule
from soundstage.runners.engine.session_token import pack
from soundstage.runners.engine.stream_controls import same_controls, steered
from soundstage.runners.fleet.places import StreamPlaces
from soundstage.runners.sessions.injection import LiveInput, inject_control

# A state and controls of more bytes are not sent with every chunk.
MOST_TOKEN_BYTES = 128 << 10


class EngineStream:
    """One endless piece of music; a row of the ticks of the engine that makes its chunks.

    It is paused at first. Iterate to get chunks: each `async for` step waits for the next chunk,
    or for `play`. Iteration ends when the stream or the fleet is closed. A stream has one reader
    at a time.

    Only iteration waits. Changes are in force from the next chunk of this stream that is begun.
    """

    def __init__(
        self,
        places: StreamPlaces,
        row: StreamRow,
        news: asyncio.Event,
        admit: Callable[[StreamRow], Awaitable[None]],
        write: Callable[[ResumePoint], bytes],
    ) -> None:
        """Prepares the handle; `Fleet.join` calls this.

        Args:
            places: the slots of the fleet.
            row: the stream as the engines know it.
            news: set on the event loop when a chunk is unread or the stream has ended.
            admit: gives a row a slot, or raises Full.
            write: makes a saved session.
        """
        self._places, self._row = places, row
        self._news, self._admit, self._write = news, admit, write
        self._prepared_row: PreparedRow | None = None
        # Rate and channels of the live input.
        self._live_format: tuple[int | None, int] | None = None

    def steer(self, changes: Mapping[str, Any], *, again: bool = False) -> int:
        """Changes controls from the next chunk that is begun.

        Args:
            changes: new values by name; "prompts" is short for the prompt controls.
            again: also makes chunks again that are made but not needed yet: their indices come a
                second time (`EngineChunk.again`), for a client that can still replace the old
                chunk. The change is heard up to `buffer_chunks` sooner, at the cost of making the
                chunks twice. A prepared change comes at once, and may replace the chunk that
                sounds.

        Returns:
            How often the stream has been steered: `EngineChunk.steer` of the first chunk with the
            change.

        Raises:
            ControlRefused: a value is refused; nothing has changed and the music goes on.
            StreamEnded: the stream is closed.
        """
        row = self._open_row()
        controls = steered(self._graph, changes, row.controls)
        with self._places.lock:
            self._refuse_memory(row, controls)
            row.controls = controls
            row.steers += 1
            if again:
                self._places.counts.dropped += self._make_again(row)
            self._end_prepared()
            self._wake()
        return row.steers

    def prepare(self, changes: Mapping[str, Any]) -> None:
        """Makes chunks beforehand, in another slot, as they would be with other controls.

        `steer` with the same changes and `again` then changes over to them at once. Until then
        they follow the music, at the cost of one non-realtime stream. Another call replaces them.

        Args:
            changes: new values by name, as for `steer`.

        Raises:
            ControlRefused: a value is refused; nothing has changed.
            Full: no slot is free; the music goes on.
            StreamEnded: the stream is closed.
        """
        row = self._open_row()
        controls = steered(self._graph, changes, row.controls)
        with self._places.lock:
            prepared = self._prepared_row
            if prepared is None or prepared.closed:
                prepared = PreparedRow(
                    Schedule(self._graph.format.chunk_s, None),
                    row.max_unread,
                    controls,
                    row.state,
                    _wake_nobody,
                    graph=self._graph,
                    lead=row,
                )
                self._refuse_memory(prepared, controls)
                self._places.place(prepared)
                self._places.open(prepared)
                self._prepared_row = prepared
            elif not same_controls(prepared.controls, controls):
                self._refuse_memory(prepared, controls)
                prepared.change(controls)
                self._places.wake(prepared)

    def unprepare(self) -> None:
        """Frees the slot that `prepare` took. Idempotent."""
        with self._places.lock:
            self._end_prepared()

    @property
    def prepared(self) -> bool:
        """Whether the prepared change could be heard at once."""
        with self._places.lock:
            prepared = self._prepared_row
            return prepared is not None and prepared.choose(time.monotonic()) is not None

    async def play(self) -> None:
        """Takes a slot, and makes chunks from now on; the first is needed at once.

        Raises:
            Full: no more streams fit; the stream stays paused, and a later call may succeed.
            StreamEnded: the stream is closed.
        """
        row = self._open_row()
        if row.playing:
            return
        await self._admit(row)
        with self._places.lock:
            if row.closed:  # meanwhile
                self._places.release(row)
            elif not row.playing:
                row.playing = True
                row.schedule.start(time.monotonic())
                self._wake()

    def pause(self, *, hold: bool = False) -> None:
        """Begins no further chunk, and frees its slot; chunks that are made can be read.

        Args:
            hold: whether the client falls silent at once and later goes on with the chunks it has;
                otherwise it is assumed to play them, and to need more as soon as it plays again.

        Raises:
            StreamEnded: the stream is closed.
        """
        row = self._open_row()
        with self._places.lock:
            if row.playing:
                row.stop(time.monotonic(), hold)
                self._places.release(row)

    def reset(self, seed: int | None = None, state: State | None = None) -> None:
        """Forgets the context: the next chunk is chunk 0 again. Unread chunks are dropped.

        Args:
            seed: another seed, which ends what was prepared; None keeps the seed, and with it the
                music.
            state: where to start instead, of one row (see `runners.sessions.continuation`).

        Raises:
            ControlRefused: the seed is refused.
            StreamEnded: the stream is closed.
        """
        row = self._open_row()
        changes = {} if seed is None else {"seed": seed}
        controls = steered(self._graph, changes, row.controls)
        with self._places.lock:
            row.controls = controls
            if changes:
                # The prepared chunks have the old seed.
                self._end_prepared()
            fresh = state or initial(self._graph, row.state.streams)
            self._places.counts.dropped += row.reset(fresh, time.monotonic())
            self._wake()

    def add_live_input(self, samples: np.ndarray, rate_hz: int | None = None) -> None:
        """Adds live input; a chunk is made with the samples added since the chunk before.

        Args:
            samples: float32 [sample, channel]; any number of samples, and as many channels as the
                music format has, or one.
            rate_hz: the rate of the samples; None = the rate of the music format.

        Raises:
            NotInjectable: the pipeline takes no audio.
            InputError: the samples or the rate are invalid; nothing was added.
            StreamEnded: the stream is closed.
        """
        row = self._open_row()
        inject_control(self._graph)
        channels = samples.shape[1] if samples.ndim == 2 else self._graph.format.channels
        live_input = row.live_input
        if live_input is None or (rate_hz, channels) != self._live_format:
            live_input = LiveInput(self._graph.format, rate_hz, channels)
        live_input.write(samples)
        with self._places.lock:
            row.live_input, self._live_format = live_input, (rate_hz, channels)

    def save(self) -> bytes:
        """Returns the session after the last chunk that was read; `soundstage.resume` opens it.

        Any thread may call it.

        Raises:
            ControlRefused: the audio prompts are too large for a session.
        """
        with self._places.lock:
            resume_point = self._row.resume_point
        refuse_large_session(resume_point.controls)
        return self._write(resume_point)

    def resume_token(self) -> bytes | None:
        """Returns a packed session with which any server of the same pipeline goes on from here.

        It goes on after the last chunk that was read, to the bytes of this stream.

        Returns:
            What `session_token.unpack` turns into the bytes of `save`; None = the state and the
            prompts are too large to be sent with every chunk (`MOST_TOKEN_BYTES`).
        """
        with self._places.lock:
            resume_point = self._row.resume_point
        kept = array_bytes(resume_point.controls) + array_bytes(resume_point.state.values)
        return pack(self._write(resume_point)) if kept <= MOST_TOKEN_BYTES else None

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
            with self._places.lock:
                chunk = row.take(time.monotonic())
                if chunk is not None:
                    self._places.counts.chunks += 1
                    self._wake()
                    return chunk
                closed, error = row.closed, row.error
            if error:
                raise StreamFailed(error)
            if closed:
                raise StopAsyncIteration
            await self._news.wait()

    async def close(self) -> None:
        """Frees its slot at once and drops the unread chunks. Idempotent."""
        row = self._row
        with self._places.lock:
            self._end_prepared()
            if not row.closed:
                row.unread.clear()
                self._places.close(row)
        row.wake()

    @property
    def _graph(self) -> Graph:
        """What makes the music now; a reload may change it."""
        assert self._row.graph is not None
        return self._row.graph

    def _wake(self) -> None:
        """Lets the engines look again at the stream, and at what is prepared beside it."""
        self._places.wake(self._row)
        if self._prepared_row is not None:
            self._places.wake(self._prepared_row)

    def _make_again(self, row: StreamRow) -> int:
        """Rewinds, or changes over to a prepared chunk; returns how many chunks are dropped."""
        now_s, prepared = time.monotonic(), self._prepared_row
        if prepared is not None and same_controls(prepared.controls, row.controls):
            ready = prepared.choose(now_s)
            if ready is not None:
                return row.change_over(ready.start, ready.chunk, ready.end)
        # One tick may be in progress, and then comes this stream's own.
        tick_s = 0.0 if row.workers is None else row.workers.tick_s
        return row.rewind(now_s + 2 * tick_s)

    def _refuse_memory(self, row: StreamRow, controls: Mapping[str, Any]) -> None:
        """Refuses controls with which streams would hold too much; the caller holds the lock."""
        try:
            refuse_memory(row, controls, self._places.rows(), self._graph.format)
        except Full as error:
            raise ControlRefused(error.reason) from error

    def _end_prepared(self) -> None:
        prepared, self._prepared_row = self._prepared_row, None
        if prepared is not None and not prepared.closed:
            self._places.close(prepared)

    def _open_row(self) -> StreamRow:
        if self._row.closed:
            raise StreamEnded(self._row.error or "the stream is closed")
        return self._row


def _wake_nobody() -> None:
    """Does nothing, for a prepared row has no reader."""
