"""Many streams on one runner: each is a row that joins and leaves the batch at tick borders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from graph.plan import Graph
from graph.state import State
from runners.runner_choice import RunnerChoice, RunnerKind
from runners.server.figures import Figures
from runners.server.stream import EngineStream, Pace


class Engine:
    """Makes the music of many streams with one runner, in one thread of its own.

        engine = Engine(load(preset="toy"), rows=8)
        await engine.start()
        stream = await engine.join({"prompts": ["jazz trio"]})
        stream.play()
        async for made in stream:
            send(made.audio)

    Its methods are called on one event loop, that of `start`; none of them blocks it.
    """

    def __init__(self, graph: Graph, *, rows: int = 8, runner: RunnerChoice | RunnerKind = "local"):
        """Prepares an engine; nothing is loaded before `start`.

        Args:
            graph: what makes the music.
            rows: the most streams at once, whatever the machine could do.
            runner: what runs the stages.
        """
        self.graph = graph
        self.rows = rows

    @property
    def ready(self) -> bool:
        """Whether it is warm and takes streams: for `/readyz`."""
        raise NotImplementedError

    async def start(self) -> None:
        """Loads the weights, compiles, measures what this machine can serve.

        Raises:
            Exception: what `runners.front.open_runner` raises.
        """
        raise NotImplementedError

    async def join(
        self,
        controls: Mapping[str, Any],
        *,
        pace: Pace = "realtime",
        buffer_chunks: int = 1,
        session: bytes | None = None,
        state: State | None = None,
    ) -> EngineStream:
        """Gives a listener a stream; it is paused until `play`.

        Args:
            controls: the controls that differ from the pipeline's defaults, or from those of the
                saved session; "prompts" is short for the four prompt controls.
            pace: "realtime": a chunk is due every `chunk_s`. "fast": as quickly as it is read, with
                what the realtime streams leave.
            buffer_chunks: chunks made ahead of the listener; at least 1.
            session: bytes of a saved session to go on from, of one stream.
            state: where a fresh stream starts, of one row (see `runners.continuation`).

        Raises:
            Full: no more streams fit; another time they may.
            ControlRefused: a control is refused.
            SessionFileError: the session is damaged or of another graph or other weights.
        """
        raise NotImplementedError

    async def embed(self, controls: Mapping[str, Any]) -> np.ndarray:
        """The style of prompts, as the pipeline's own embedder sees it.

        Args:
            controls: as for `join`, e.g. {"texts": ["jazz trio"], "text_weights": [1.0]}.

        Returns:
            float32 `[style_dim]`.

        Raises:
            ControlRefused: a control is refused, or the pipeline has no embedder.
        """
        raise NotImplementedError

    def figures(self) -> Figures:
        """What `/metrics` shows."""
        raise NotImplementedError

    async def drain(self, timeout_s: float) -> bool:
        """Takes no more streams and waits until those there are have left, at most so long.

        Returns:
            Whether all have left by themselves.
        """
        raise NotImplementedError

    async def close(self) -> None:
        """Ends every stream, stops the thread, frees the weights. Idempotent."""
        raise NotImplementedError
