"""Streams that go on from a clip: one encoder for all streams, built at its first use."""

from __future__ import annotations

import asyncio
import logging

import numpy as np

from soundstage.errors import ModelError
from soundstage.graph.plan import Graph
from soundstage.graph.state import State
from soundstage.runners.sessions.continuation import (
    LEAD_S,
    ClipContinuer,
    NotContinuable,
    find_ends,
)

LOGGER = logging.getLogger("soundstage.serve")


class ClipEncoder:
    """Encodes the ends of clips into states from which streams go on.

    Args:
        graph: what makes the music.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._continuer: ClipContinuer | None = None
        # One thread at a time may use the encoder.
        self._lock = asyncio.Lock()

    @property
    def possible(self) -> bool:
        """Whether the pipeline can go on from clips."""
        try:
            find_ends(self._graph)
        except NotContinuable:
            return False
        return True

    @property
    def samples(self) -> int:
        """How much of a clip's end is used, in samples at the format's rate."""
        format = self._graph.format
        return round((format.context_s + LEAD_S) * format.sample_rate_hz)

    async def state(self, audio: np.ndarray) -> State:
        """Returns the state of a stream that goes on from a clip.

        The first call loads and compiles, which may take seconds; streams go on meanwhile.

        Args:
            audio: float32 [sample, channel] at the format's rate.

        Returns:
            One row, at chunk 0.

        Raises:
            NotContinuable: the pipeline cannot go on from clips, or not from this one: its weights
                lack the encoder, or a stage failed on the clip.
            ModelError: published models that the encoder needs have not been fetched.
            InputError: the clip is shorter than one codec frame.
        """
        async with self._lock:
            return await asyncio.to_thread(self._encode, audio)

    async def close(self) -> None:
        """Frees the encoder. Idempotent."""
        async with self._lock:
            continuer, self._continuer = self._continuer, None
            if continuer is not None:
                await asyncio.to_thread(continuer.close)

    def _encode(self, audio: np.ndarray) -> State:
        try:
            if self._continuer is None:
                self._continuer = ClipContinuer(self._graph)
            return self._continuer.state(audio)
        except (ModelError, NotContinuable):
            raise
        # Any other error of a stage refuses this request; the client's stream plays on.
        except Exception as error:
            LOGGER.warning("a stream cannot go on from a clip: %s", error)
            raise NotContinuable(f"the music cannot go on from this clip: {error}") from error
