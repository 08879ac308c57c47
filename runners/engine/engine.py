"""Many streams on one runner: each is a row that joins and leaves the batch between two ticks.

How rows are made, and what that costs. A tick has a fixed number of rows, `batch`, one for each
slot of a group. A slot without a request is filled with a row that is thrown away, so a stream's
bytes do not depend on other streams. On CPUs `batch` is 1: the bytes are those of
`soundstage.open` on the same machine, a client waits for one row's chunk instead of all rows', and
the machine stays busy, for two ticks overlap (one decodes while another samples). Preset `tiny` on
2 cores, seconds per chunk and stream: 0.115 alone; six streams 0.121 one after another, 0.067 with
two workers; a batch of eight rows 0.071 (`benchmarks/serving.py`, `benchmarks/rows.py`). On
accelerators, where another row is nearly free, `batch` is `rows`. There a row that is thrown away
costs as much as any row, which is why a tick waits until all its rows want a chunk.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping
from contextlib import suppress
from copy import deepcopy
from functools import partial
from typing import Any

import numpy as np

from soundstage.graph.control import ControlError
from soundstage.graph.plan import Graph
from soundstage.graph.state import State, initial
from soundstage.runners.choice import RunnerChoice, RunnerKind
from soundstage.runners.engine.admission import Remeasurement, admit, refuse_memory, refuse_pace
from soundstage.runners.engine.capacity import RETRY_AFTER_S, Capacity
from soundstage.runners.engine.counts import EngineCounts
from soundstage.runners.engine.groups import Groups
from soundstage.runners.engine.refusals import ControlRefused, Full
from soundstage.runners.engine.row import StreamRow
from soundstage.runners.engine.saved_session import open_saved, write_saved
from soundstage.runners.engine.schedule import Pace, Schedule
from soundstage.runners.engine.stream import EngineStream
from soundstage.runners.engine.stream_controls import steered
from soundstage.runners.engine.warmup import Warm, warm_up
from soundstage.runners.engine.workers import Workers
from soundstage.runners.sessions.embedding import embed
from soundstage.runners.timing.realtime import chunks_ahead

# How often `drain` checks whether streams are left.
_DRAIN_CHECK_S = 0.05


class Engine:
    """Makes the music of many streams with one runner, on threads of its own.

        engine = Engine(load(preset="toy"), rows=8)
        await engine.start()
        stream = await engine.join({"prompts": ["jazz trio"]})
        stream.play()
        async for chunk in stream:
            send(chunk.audio)

    Its methods are called on one event loop, that of `start`; none of them blocks it for longer
    than checking some controls takes.

    Attributes:
        graph: what makes the music.
        capacity: how many streams fit; none before `start` has measured.
    """

    def __init__(
        self,
        graph: Graph,
        *,
        rows: int = 8,
        batch: int | None = None,
        workers: int = 2,
        capacity: int | None = None,
        runner: RunnerChoice | RunnerKind = "local",
    ):
        """Prepares an engine; nothing is loaded before `start`.

        Args:
            graph: what makes the music; one of its outputs is "audio".
            rows: the most streams at once, whatever the measurement allows.
            batch: rows of a tick; None = 1 on CPUs, else `rows`. If a stream's bytes turn out to
                depend on its slot, `batch` is 1.
            workers: ticks made at the same time.
            capacity: the most realtime streams; None = as many as the measurement allows.
            runner: what runs the stages.

        Raises:
            ValueError: a number is below 1, or the graph has no output "audio".
        """
        if min(rows, workers, 1 if batch is None else batch) < 1:
            raise ValueError("rows, batch and workers are at least 1")
        if "audio" not in graph.outputs:
            raise ValueError(f"the pipeline {graph.name!r} has no output 'audio'")
        self.graph = graph
        self.capacity = Capacity(graph.format.chunk_s, rows, {}, fixed=capacity)
        self._rows = rows
        self._batch = None if batch is None else min(batch, rows)
        self._worker_count = workers
        self._choice = runner if isinstance(runner, RunnerChoice) else RunnerChoice(runner)
        self._warm: Warm | None = None
        self._workers: Workers | None = None
        self._remeasurement: Remeasurement | None = None
        self._counts = EngineCounts()
        self._draining = False

    @property
    def ready(self) -> bool:
        """Whether the engine is warm and accepts streams."""
        return self._workers is not None and not self._draining

    @property
    def draining(self) -> bool:
        """Whether the engine accepts no more streams because it is about to close."""
        return self._draining

    @property
    def note(self) -> str:
        """What the warm-up decided otherwise than asked for; "" = nothing."""
        return "" if self._warm is None else self._warm.note

    @property
    def streams(self) -> int:
        """The number of streams, with paused and prepared ones."""
        return len(self._all_rows())

    @property
    def playing(self) -> int:
        """The number of streams whose chunks are being made."""
        return sum(row.playing for row in self._all_rows())

    def counts(self) -> EngineCounts:
        """Returns a copy of the counts since the engine was made."""
        if self._workers is None:
            return deepcopy(self._counts)
        with self._workers.changed:
            return deepcopy(self._counts)

    async def start(self) -> None:
        """Loads the weights, compiles, and measures how many streams this machine can serve.

        Raises:
            Exception: those of `runners.api.open_runner`.
            StageFailed: a stage fails with the pipeline's default controls.
        """
        warm = await asyncio.to_thread(
            warm_up, self.graph, self._choice, self._rows, self._batch, self._worker_count
        )
        self.capacity = self.capacity.measured(warm.cost_s)
        groups = Groups.of(self._rows, warm.batch)
        self._workers = Workers(
            warm.runner, groups, self._counts, self._worker_count, warm.cost_s[1]
        )
        self._warm = warm
        self._remeasurement = Remeasurement(warm, self._workers, self._worker_count)
        self._workers.start()

    async def join(
        self,
        controls: Mapping[str, Any],
        *,
        pace: Pace = "realtime",
        buffer_chunks: float | None = None,
        session: bytes | None = None,
        state: State | None = None,
    ) -> EngineStream:
        """Opens a stream; it is paused until `play`.

        Args:
            controls: the controls that differ from the pipeline's defaults, or from those of the
                saved session; "prompts" is short for the prompt controls.
            pace: "realtime": a chunk is needed every `chunk_s`. "fast", non-realtime: chunks are
                made as quickly as they are read, with what the realtime streams leave.
            buffer_chunks: how far ahead of its need a chunk is made, in chunks; with less, changes
                are heard sooner and the stream takes more of the machine. For a non-realtime
                stream, the most unread chunks. None = one, or as many as last 0.2 s.
            session: bytes of a saved session of one stream, to go on from.
            state: where a fresh stream starts, of one row (see `runners.sessions.continuation`).

        Raises:
            Full: no more streams fit; a later request may succeed.
            ControlRefused: a control, the pace or `buffer_chunks` is refused.
            SessionFileError: the session is damaged or of another graph or other weights.
        """
        warm, workers = self._open()
        chunk_s = self.graph.format.chunk_s
        if buffer_chunks is None:
            buffer_chunks = chunks_ahead(chunk_s)
        refuse_pace(pace, buffer_chunks)
        saved_controls: Mapping[str, Any] = {}
        if session is not None:
            state, saved_controls = open_saved(session, warm.runner)
        ahead_s = buffer_chunks * chunk_s if pace == "realtime" else None
        news, loop = asyncio.Event(), asyncio.get_running_loop()
        row = StreamRow(
            Schedule(chunk_s, ahead_s),
            math.ceil(buffer_chunks),
            steered(self.graph, controls, saved_controls),
            state or initial(self.graph, ["0"]),
            partial(_wake, loop, news),
        )
        try:
            self._admit(workers, row)
        except Full as error:
            if not error.measured or self._remeasurement is None:
                raise
            refused = self.capacity
            self.capacity = await self._remeasurement.after(refused)
            if self.capacity is refused:
                raise
            self._open()  # it may have been closed meanwhile
            self._admit(workers, row)
        write = partial(write_saved, warm.runner)
        return EngineStream(
            self.graph, workers, row, news, lambda one: admit(workers, self.capacity, one), write
        )

    def _admit(self, workers: Workers, row: StreamRow) -> None:
        with workers.changed:
            refuse_memory(row, row.controls, workers.groups.rows(), self.graph.format)
            admit(workers, self.capacity, row)

    async def embed(self, controls: Mapping[str, Any]) -> np.ndarray:
        """Returns the style of prompts, from the pipeline's own embedder.

        Args:
            controls: as for `join`, e.g. {"texts": ["jazz trio"], "text_weights": [1.0]}.

        Returns:
            float32 `[style_dim]`.

        Raises:
            Full: the engine is not warm.
            ControlRefused: a control is refused, or the pipeline has no embedder.
            StageFailed: the stage failed.
        """
        warm, _ = self._open()
        row = steered(self.graph, controls, {})
        try:
            return await asyncio.to_thread(embed, warm.runner, row)
        except ControlError as error:
            raise ControlRefused(str(error)) from error

    async def drain(self, timeout_s: float) -> bool:
        """Accepts no more streams and waits until all have left, at most `timeout_s`.

        Returns:
            Whether all have left.
        """
        self._draining = True
        deadline_s = time.monotonic() + timeout_s
        while self.streams and time.monotonic() < deadline_s:
            await asyncio.sleep(_DRAIN_CHECK_S)
        return not self.streams

    async def close(self) -> None:
        """Ends every stream, stops the threads, frees the weights. Idempotent.

        Readers of streams get the chunks that are made already, and then the end of the stream.
        """
        self._draining = True
        warm, workers = self._warm, self._workers
        self._warm = self._workers = None
        if warm is None or workers is None:
            return
        with workers.changed:
            for row in list(workers.groups.rows()):
                workers.leave(row)
                row.wake()
        await asyncio.to_thread(workers.stop)
        await asyncio.to_thread(warm.runner.close)

    def _open(self) -> tuple[Warm, Workers]:
        """Returns the warm runner and its workers.

        Raises:
            Full: the engine is not warm, or it is about to close.
        """
        if self._draining:
            raise Full("the engine is about to close", RETRY_AFTER_S)
        if self._warm is None or self._workers is None:
            raise Full("the engine is not warm yet", RETRY_AFTER_S)
        return self._warm, self._workers

    def _all_rows(self) -> list[StreamRow]:
        if self._workers is None:
            return []
        with self._workers.changed:
            return list(self._workers.groups.rows())


def _wake(loop: asyncio.AbstractEventLoop, news: asyncio.Event) -> None:
    """Wakes a stream's reader on its event loop; a closed loop has no readers."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(news.set)
