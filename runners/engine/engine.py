"""Many streams on one runner: each is a row that joins and leaves the batch at tick borders.

How it is done, and what it costs. A tick takes a fixed number of rows, `batch`, from the same
places each time; places at rest are filled up, so a stream's bytes depend on nobody else. On CPUs
`batch` is 1: the bytes are those of `soundstage.open` on the same machine, a listener waits for one
row's chunk instead of everybody's, and nothing is lost, for two ticks overlap (one decodes while
another samples). Preset `tiny` on 2 cores, seconds a chunk a stream: 0.115 alone; six streams 0.121
one after another, 0.067 in two lanes; a batch of eight rows 0.071 (`benchmarks/serving.py`,
`benchmarks/rows.py`). On accelerators, where a row more is nearly free, `batch` is `rows`; there a
row at rest costs what a row costs, which is why a tick waits until all its rows want a chunk.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np

from soundstage.graph.plan import Graph
from soundstage.graph.state import State, initial
from soundstage.runners.choice import RunnerChoice, RunnerKind
from soundstage.runners.engine.admission import admit, refuse_pace
from soundstage.runners.engine.capacity import RETRY_AFTER_S, Capacity
from soundstage.runners.engine.embedding import embed
from soundstage.runners.engine.groups import Groups
from soundstage.runners.engine.metrics import EngineCounts, EngineMetrics, figures_of
from soundstage.runners.engine.refusals import Full
from soundstage.runners.engine.row import StreamRow
from soundstage.runners.engine.saved_session import open_saved, write_saved
from soundstage.runners.engine.schedule import Schedule
from soundstage.runners.engine.stream import EngineStream, Pace
from soundstage.runners.engine.stream_controls import steered
from soundstage.runners.engine.warmup import Warm, warm_up
from soundstage.runners.engine.workers import Workers

# How often somebody who waits for the last listener looks.
_LOOK_S = 0.05


class Engine:
    """Makes the music of many streams with one runner, on threads of its own.

        engine = Engine(load(preset="toy"), rows=8)
        await engine.start()
        stream = await engine.join({"prompts": ["jazz trio"]})
        stream.play()
        async for made in stream:
            send(made.audio)

    Its methods are called on one event loop, that of `start`; none of them blocks it for longer
    than it takes to check some controls.
    """

    def __init__(
        self,
        graph: Graph,
        *,
        rows: int = 8,
        batch: int | None = None,
        lanes: int = 2,
        capacity: int | None = None,
        runner: RunnerChoice | RunnerKind = "local",
    ):
        """Prepares an engine; nothing is loaded before `start`.

        Args:
            graph: what makes the music; one of its outputs is "audio".
            rows: the most streams at once, whatever the machine could do.
            batch: rows of a tick; None = 1 on CPUs, else `rows`. If it turns out that there a
                stream's bytes depend on its place, it is 1 after all.
            lanes: ticks under way at once.
            capacity: realtime streams let in; None = as many as are found to be served in time.
            runner: what runs the stages.

        Raises:
            ValueError: a number is below 1, or the graph has no output "audio".
        """
        if min(rows, lanes, 1 if batch is None else batch) < 1:
            raise ValueError("rows, batch and lanes are at least 1")
        if "audio" not in graph.outputs:
            raise ValueError(f"the pipeline {graph.name!r} has no output 'audio'")
        self.graph = graph
        self.rows = rows
        self._batch = None if batch is None else min(batch, rows)
        self._lane_count, self._insisted = lanes, capacity
        self._choice = runner if isinstance(runner, RunnerChoice) else RunnerChoice(runner)
        self._warm: Warm | None = None
        self._lanes: Workers | None = None
        self._capacity = Capacity(graph.format.chunk_s, rows, {})
        self._draining = False

    @property
    def ready(self) -> bool:
        """Whether it is warm and takes streams: for `/readyz`."""
        return self._lanes is not None and not self._draining

    @property
    def note(self) -> str:
        """What had to be decided otherwise than asked for; "" = nothing."""
        return "" if self._warm is None else self._warm.note

    async def start(self) -> None:
        """Loads the weights, compiles, measures what this machine can serve.

        Raises:
            Exception: what `runners.api.open_runner` raises.
            StageFailed: a stage fails with the pipeline's default controls.
        """
        asked = (self.graph, self._choice, self.rows, self._batch, self._lane_count)
        warm = await asyncio.to_thread(warm_up, *asked)
        format = self.graph.format
        self._capacity = Capacity(format.chunk_s, self.rows, warm.cost_s, insisted=self._insisted)
        groups = Groups.of(self.rows, warm.batch)
        self._lanes = Workers(warm.runner, groups, self._lane_count, warm.cost_s[1])
        self._warm = warm
        self._lanes.start()

    async def join(
        self,
        controls: Mapping[str, Any],
        *,
        pace: Pace = "realtime",
        buffer_chunks: float = 1,
        session: bytes | None = None,
        state: State | None = None,
    ) -> EngineStream:
        """Gives a listener a stream; it is paused until `play`.

        Args:
            controls: the controls that differ from the pipeline's defaults, or from those of the
                saved session; "prompts" is short for the four prompt controls.
            pace: "realtime": a chunk is needed every `chunk_s`. "fast": as quickly as it is read,
                with what the realtime streams leave.
            buffer_chunks: how far ahead of its need a chunk is made, in chunks; a fraction is heard
                sooner and takes more of the machine. Of pace "fast": the most unread chunks.
            session: bytes of a saved session to go on from, of one stream.
            state: where a fresh stream starts, of one row (see `runners.sessions.continuation`).

        Raises:
            Full: no more streams fit; another time they may.
            ControlRefused: a control, the pace or `buffer_chunks` is refused.
            SessionFileError: the session is damaged or of another graph or other weights.
        """
        warm, lanes = self._open()
        refuse_pace(pace, buffer_chunks)
        before: Mapping[str, Any] = {}
        if session is not None:
            state, before = open_saved(session, warm.runner)
        chunk_s = self.graph.format.chunk_s
        ahead_s = buffer_chunks * chunk_s if pace == "realtime" else None
        news, loop = asyncio.Event(), asyncio.get_running_loop()
        row = StreamRow(
            Schedule(chunk_s, ahead_s),
            math.ceil(buffer_chunks),
            steered(self.graph, controls, before),
            state or initial(self.graph, ["0"]),
            partial(_wake, loop, news),
        )
        admitted = partial(admit, lanes, self._capacity)
        with lanes.changed:
            admitted(row)
        write = partial(write_saved, warm.runner)
        return EngineStream(self.graph, lanes, row, news, admitted, write)

    async def embed(self, controls: Mapping[str, Any]) -> np.ndarray:
        """The style of prompts, as the pipeline's own embedder sees it.

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
        return await asyncio.to_thread(embed, warm.runner, row)

    def figures(self) -> EngineMetrics:
        """What `/metrics` shows."""
        warm, lanes = self._warm, self._lanes
        if warm is None or lanes is None:
            return figures_of(
                EngineCounts(), (), self._capacity, ready=False, draining=self._draining
            )
        with lanes.changed:
            rows = tuple(lanes.groups.rows())
            return figures_of(
                lanes.tally,
                rows,
                self._capacity,
                ready=self.ready,
                draining=self._draining,
                batch=warm.batch,
                under_way=sum(group.busy for group in lanes.groups.all),
            )

    async def drain(self, timeout_s: float) -> bool:
        """Takes no more streams and waits until those there are have left, at most so long.

        Returns:
            Whether all have left by themselves.
        """
        self._draining = True
        deadline_s = time.monotonic() + timeout_s
        while self.figures().streams and time.monotonic() < deadline_s:
            await asyncio.sleep(_LOOK_S)
        return not self.figures().streams

    async def close(self) -> None:
        """Ends every stream, stops the threads, frees the weights. Idempotent.

        Who reads a stream gets what is made already, and then the end of it.
        """
        self._draining = True
        warm, lanes = self._warm, self._lanes
        self._warm = self._lanes = None
        if warm is None or lanes is None:
            return
        with lanes.changed:
            for row in list(lanes.groups.rows()):
                lanes.leave(row)
                row.wake()
        await asyncio.to_thread(lanes.stop)
        await asyncio.to_thread(warm.runner.close)

    def _open(self) -> tuple[Warm, Workers]:
        """What is there once it is warm, until it drains."""
        if self._draining:
            raise Full("the engine is about to close", RETRY_AFTER_S)
        if self._warm is None or self._lanes is None:
            raise Full("the engine is not warm yet", RETRY_AFTER_S)
        return self._warm, self._lanes


def _wake(loop: asyncio.AbstractEventLoop, news: asyncio.Event) -> None:
    """Tells a reader on its event loop; of a loop that is closed nobody reads any more."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(news.set)
