"""Measures again how many streams fit: the machine may have been busy when the engine started."""

from __future__ import annotations

import asyncio
import logging
import math
import time

from soundstage.runners.engine.capacity import Capacity
from soundstage.runners.engine.warmup import Warm
from soundstage.runners.engine.workers import Workers

LOGGER = logging.getLogger("soundstage.serve")
# Without streams, chunks are made to measure, so often at most, and for so many streams.
EVERY_S, MOST_STREAMS = 5.0, 2
# With streams, the ticks that had the machine alone tell: the median of so many or more.
LEAST_TICKS = 5


class Remeasurement:
    """Measures a machine again after a refusal, as its streams or a few chunks show it.

    Args:
        warm: the runner and how it is used.
        workers: make the chunks of the streams.
        worker_count: ticks made at the same time.
    """

    def __init__(self, warm: Warm, workers: Workers, worker_count: int) -> None:
        self._warm, self._workers, self._worker_count = warm, workers, worker_count
        self._lock = asyncio.Lock()
        self._last_s = -math.inf
        self._newest: Capacity | None = None

    async def after(self, refused: Capacity) -> Capacity:
        """Returns the capacity after a refusal.

        Args:
            refused: the capacity by which a stream was refused.

        Returns:
            A larger one, or `refused`: late chunks tell when a machine has become slower.
        """
        async with self._lock:
            if self._newest is not None and self._newest.takes_s(1) < refused.takes_s(1):
                # Another client was refused by the same one, and waited for less time.
                return self._newest
            found = await self._measured(refused)
            if found.takes_s(1) >= refused.takes_s(1):
                return refused
            self._newest = found
        LOGGER.info("measured again: %d realtime streams fit here", found.realtime)
        return found

    async def _measured(self, capacity: Capacity) -> Capacity:
        with self._workers.changed:
            playing = any(row.playing for row in self._workers.groups.rows())
            alone_s = self._workers.alone_s(LEAST_TICKS)
        if playing:
            return capacity if alone_s is None else capacity.measured_again({1: alone_s})
        if time.monotonic() - self._last_s < EVERY_S:
            return capacity
        rows = min(capacity.rows, MOST_STREAMS)
        cost_s = await asyncio.to_thread(self._warm.measure, rows, self._worker_count)
        self._last_s = time.monotonic()
        return capacity.measured_again(cost_s)
