"""A fleet: many streams on one engine or several; a stream goes to the engine with most time left.

The streams are here: their controls, their states, their schedules and the chunks that are made
ahead. An engine only makes ticks, so a stream moves from one engine to another between two chunks,
and its bytes are the same. One engine in this process is the default.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from functools import partial
from typing import Any

import numpy as np

from soundstage.graph.control import ControlError
from soundstage.graph.plan import Graph
from soundstage.graph.state import State, initial
from soundstage.interrupts import handle_signals
from soundstage.runners.choice import EngineRange, RunnerChoice, RunnerKind
from soundstage.runners.engine.admission import refuse_memory, refuse_pace
from soundstage.runners.engine.capacity import Capacity
from soundstage.runners.engine.counts import EngineCounts
from soundstage.runners.engine.engine import Engine
from soundstage.runners.engine.refusals import RETRY_AFTER_S, ControlRefused, EngineLost, Full
from soundstage.runners.engine.row import MOST_IN_FLIGHT, ResumePoint, StreamRow
from soundstage.runners.engine.saved_session import SessionWriter, open_saved
from soundstage.runners.engine.schedule import Pace, Schedule
from soundstage.runners.engine.stream_controls import steered
from soundstage.runners.engine.warmup import WarmUp
from soundstage.runners.fleet.opening import join_cluster
from soundstage.runners.fleet.places import StreamPlaces
from soundstage.runners.fleet.roster import Roster, report
from soundstage.runners.fleet.scaling import Scaler
from soundstage.runners.fleet.slots import Slots
from soundstage.runners.fleet.stream import EngineStream
from soundstage.runners.runner import Runner
from soundstage.runners.sessions.embedding import embed
from soundstage.runners.timing.realtime import chunks_ahead

LOGGER = logging.getLogger("soundstage.serve")
# How often `drain` checks whether streams are left.
_DRAIN_CHECK_S = 0.05
# How often the streams are balanced between the engines, and the number of engines is considered.
LOOK_EVERY_S = 2.0


class Fleet:
    """Makes the music of many streams with one engine or several, on threads of its own.

        fleet = Fleet(load(preset="toy"), rows=8)
        await fleet.start()
        stream = await fleet.join({"prompts": ["jazz trio"]})
        await stream.play()
        async for chunk in stream:
            send(chunk.audio)

    Its methods are called on one event loop, that of `start`; none of them blocks it for longer
    than checking some controls takes.

    Attributes:
        graph: what makes the music.
        places: the engines, and which of them makes the chunks of which stream.
        roster: adds, starts and removes engines.
        scaler: decides how many there are.
        reloading: whether its engines are being replaced by those of another graph.
    """

    def __init__(
        self,
        graph: Graph,
        *,
        engines: int | EngineRange = 1,
        rows: int = 8,
        batch: int | None = None,
        fits: bool = False,
        workers: int = 2,
        capacity: int | None = None,
        runner: RunnerChoice | RunnerKind = "local",
        patience_s: float | None = None,
    ):
        """Prepares a fleet; nothing is loaded before `start`.

        Args:
            graph: what makes the music; one of its outputs is "audio".
            engines: how many engines, or the least and the most; more than one need the runner
                "ray".
            rows: the most streams that play at once, whatever the measurement allows.
            batch: rows of a tick; None = 1 on CPUs, else `rows`. If a stream's bytes turn out to
                depend on its slot, `batch` is 1.
            fits: whether ticks have 1, 2, 4, ... rows, up to `batch`, as their streams need; then
                bytes are those of a tick of that size. Otherwise every tick has `batch` rows.
            workers: ticks that an engine makes at the same time.
            capacity: the most realtime streams; None = as many as the measurement allows.
            runner: what runs the stages of the engines; with "ray", each engine is a process.
            patience_s: how long the process of an engine may be silent before its streams move to
                others; None = half a chunk.

        Raises:
            ValueError: a number is below 1, the graph has no output "audio", or there are several
                engines in this process.
            UsageError: the number of engines is below 1.
        """
        limits = EngineRange(engines, engines) if isinstance(engines, int) else engines
        if min(rows, workers, 1 if batch is None else batch) < 1:
            raise ValueError("rows, batch and workers are at least 1")
        if "audio" not in graph.outputs:
            raise ValueError(f"the pipeline {graph.name!r} has no output 'audio'")
        self.graph = graph
        self.places = StreamPlaces(rows, capacity)
        self._choice = runner if isinstance(runner, RunnerChoice) else RunnerChoice(runner)
        if limits.most > 1 and self._choice.kind != "ray":
            raise ValueError("several engines need the runner 'ray'")
        self.roster = Roster(
            self.places,
            self._choice,
            partial(
                WarmUp,
                rows=rows,
                batch=batch and min(batch, rows),
                workers=workers,
                fits=fits,
                window=min(self._choice.window or MOST_IN_FLIGHT, MOST_IN_FLIGHT),
            ),
            workers,
            Capacity(graph.format.chunk_s, rows, {}, fixed=capacity),
            patience_s or graph.format.chunk_s / 2,
            limits.most,
        )
        self.scaler = Scaler(self.places, self.roster, limits)
        for _ in range(limits.least):
            self.roster.add(graph)
        self._open = ExitStack()
        self._writer: SessionWriter | None = None
        self._watching: asyncio.Task[None] | None = None
        self._slots = Slots(self.places)
        self._draining = False
        self.reloading = False

    @property
    def engines(self) -> list[Engine]:
        """The engines, by number."""
        return self.places.engines

    @property
    def ready(self) -> bool:
        """Whether an engine is ready, and streams are accepted."""
        return not self._draining and any(engine.ready for engine in self.engines)

    @property
    def draining(self) -> bool:
        """Whether no more streams are accepted because the fleet is about to close."""
        return self._draining

    @property
    def note(self) -> str:
        """What the warm-up decided otherwise than asked for; "" = nothing."""
        return next((engine.note for engine in self.engines if engine.note), "")

    @property
    def streams(self) -> int:
        """The number of streams, with paused and prepared ones."""
        with self.places.lock:
            return len(self.places.rows())

    @property
    def playing(self) -> int:
        """The number of streams whose chunks are being made."""
        with self.places.lock:
            return sum(row.playing for row in self.places.rows())

    @property
    def realtime(self) -> int:
        """How many realtime streams fit on all engines, as their ticks show; 0 = none is ready."""
        with self.places.lock:
            return self.places.realtime()

    @property
    def problem(self) -> str:
        """Why not even one realtime stream fits, and the cure; "" = one fits."""
        problems = [engine.capacity.problem for engine in self.engines if engine.ready]
        return problems[0] if problems and all(problems) else ""

    def counts(self) -> EngineCounts:
        """Returns the counts of all streams and engines since the fleet was made."""
        with self.places.lock:
            return sum((engine.counts for engine in self.engines), self.places.counts)

    async def start(self) -> None:
        """Starts the engines, and returns when the first is ready; the others follow.

        An engine loads the weights, compiles, and measures how many streams it can serve.

        Raises:
            Exception: those of `runners.api.open_runner`, if no engine can start.
            StageFailed: a stage fails with the pipeline's default controls.
        """
        await asyncio.to_thread(lambda: self._open.enter_context(join_cluster(self._choice)))
        handle_signals()  # Ray took them
        starts = {self.scaler.start(engine) for engine in list(self.engines)}
        first: BaseException | None = None
        while starts and not any(engine.alive for engine in self.engines):
            done, starts = await asyncio.wait(starts, return_when=asyncio.FIRST_COMPLETED)
            for start in done:
                first = first or start.exception()
        for start in starts:
            start.add_done_callback(report)
        if not any(engine.alive for engine in self.engines) and first is not None:
            raise first
        if first is not None:
            LOGGER.warning("an engine cannot start: %s", first)
        if self.scaler.limits.most > 1:
            self._watching = asyncio.create_task(self._watch())

    async def join(
        self,
        controls: Mapping[str, Any],
        *,
        pace: Pace = "realtime",
        buffer_chunks: float | None = None,
        session: bytes | None = None,
        state: State | None = None,
    ) -> EngineStream:
        """Opens a stream; it is paused until `play`, and holds no slot until then.

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
            Full: the fleet is not ready, or all streams would hold too much memory.
            ControlRefused: a control, the pace or `buffer_chunks` is refused.
            SessionFileError: the session is damaged or of another graph or other weights.
        """
        runner = self._runner()
        chunk_s = self.graph.format.chunk_s
        if buffer_chunks is None:
            buffer_chunks = chunks_ahead(chunk_s)
        refuse_pace(pace, buffer_chunks)
        saved_controls: Mapping[str, Any] = {}
        if session is not None:
            state, saved_controls = open_saved(session, runner)
        ahead_s = buffer_chunks * chunk_s if pace == "realtime" else None
        news, loop = asyncio.Event(), asyncio.get_running_loop()
        row = StreamRow(
            Schedule(chunk_s, ahead_s),
            math.ceil(buffer_chunks),
            steered(self.graph, controls, saved_controls),
            state or initial(self.graph, ["0"]),
            partial(_wake, loop, news),
            graph=self.graph,
        )
        with self.places.lock:
            refuse_memory(row, row.controls, self.places.rows(), self.graph.format)
            self.places.open(row)
        return EngineStream(self.places, row, news, self._admit, self._write)

    def _write(self, resume_point: ResumePoint) -> bytes:
        """Returns the session that goes on after a chunk; any thread may call it."""
        if self._writer is None:
            self._writer = SessionWriter(self._runner())
        return self._writer.write(resume_point)

    async def _admit(self, row: StreamRow) -> None:
        """Gives a row a slot."""
        self._runner()
        await self._slots.give(row)

    async def embed(self, controls: Mapping[str, Any]) -> np.ndarray:
        """Returns the style of prompts, from the pipeline's own embedder.

        Args:
            controls: as for `join`, e.g. {"texts": ["jazz trio"], "text_weights": [1.0]}.

        Returns:
            float32 `[style_dim]`.

        Raises:
            Full: no engine is ready.
            ControlRefused: a control is refused, or the pipeline has no embedder.
            StageFailed: the stage failed.
        """
        runner = self._runner()
        row = steered(self.graph, controls, {})
        try:
            return await asyncio.to_thread(embed, runner, row)
        except ControlError as error:
            raise ControlRefused(str(error)) from error
        except EngineLost as error:
            raise Full(error.reason, RETRY_AFTER_S) from error

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
        if self._watching is not None:
            self._watching.cancel()
        with self.places.lock:
            for row in list(self.places.rows()):
                self.places.close(row)
                row.wake()
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self.roster.close()
        self._open.close()

    def adopt(self, graph: Graph) -> None:
        """Opens streams with another graph from now on; engines of it have to be ready."""
        self.graph, self._writer = graph, None

    async def _watch(self) -> None:
        """Balances the streams between the engines, and adds and removes engines."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            with self.places.lock:
                self.places.balance()
            if not self.reloading:
                await self.scaler.look(self.graph, time.monotonic())

    def _runner(self) -> Runner:
        """Returns the runner of an engine that is ready.

        Raises:
            Full: the fleet is about to close, or no engine is ready.
        """
        if self._draining:
            raise Full("the engine is about to close", RETRY_AFTER_S)
        for engine in self.engines:
            if engine.ready and engine.graph is self.graph:
                return engine.runner
        raise Full("the engine is not warm yet", RETRY_AFTER_S)


def _wake(loop: asyncio.AbstractEventLoop, news: asyncio.Event) -> None:
    """Wakes a stream's reader on its event loop; a closed loop has no readers."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(news.set)
