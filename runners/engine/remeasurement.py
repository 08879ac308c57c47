"""Measures again how many streams fit: the machine may have been busy when the engine started."""

from __future__ import annotations

import asyncio
import logging
import math
import time

from soundstage.runners.engine.capacity import Capacity
from soundstage.runners.engine.warmup import Warm, measure_costs
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

    async def of(self, capacity: Capacity) -> Capacity:
        """Returns the capacity at present.

        Args:
            capacity: as it was measured before.

        Returns:
            A larger one, or `capacity`: late chunks tell when a machine has become slower.
        """
        if capacity.fixed is not None or capacity.realtime >= capacity.rows:
            return capacity
        async with self._lock:
            found = await self._measured(capacity)
        if found.takes_s(1) >= capacity.takes_s(1):
            return capacity
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
        warm = self._warm
        rows = min(capacity.rows, MOST_STREAMS)
        cost_s = await asyncio.to_thread(
            measure_costs, warm.runner, rows, warm.batch, self._worker_count
        )
        self._last_s = time.monotonic()
        return capacity.measured_again(cost_s)
