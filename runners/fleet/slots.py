"""Gives slots to streams that play; measures the machine again if it may have become faster."""

from __future__ import annotations

import asyncio
import logging
import math
import time

from soundstage.runners.engine.refusals import Full
from soundstage.runners.engine.row import StreamRow
from soundstage.runners.fleet.places import StreamPlaces

LOGGER = logging.getLogger("soundstage.serve")
# Without streams, chunks are made to measure, so often at most, and for so many streams.
EVERY_S, MEASURED_STREAMS = 5.0, 2


class Slots:
    """The slots of a fleet, as streams ask for them on its event loop.

    Args:
        places: the engines.
    """

    def __init__(self, places: StreamPlaces) -> None:
        self._places = places
        self._measuring, self._measured_s = asyncio.Lock(), -math.inf

    async def give(self, row: StreamRow) -> None:
        """Gives a row a slot; if the measurement is against it, measures again first.

        Raises:
            Full: no slot is free, or a realtime stream would be late.
        """
        try:
            with self._places.lock:
                self._places.place(row)
        except Full as error:
            if not error.measured or not await self._measure_again():
                raise
            with self._places.lock:
                self._places.place(row)

    async def _measure_again(self) -> bool:
        """Measures the engines, if no stream plays: those that play tell themselves.

        Returns:
            Whether a refused stream may fit now.
        """
        async with self._measuring:
            if time.monotonic() - self._measured_s < EVERY_S:
                return True
            with self._places.lock:
                if any(row.playing for row in self._places.rows()):
                    return False
                ready = [engine for engine in self._places.engines if engine.ready]
            measures = (asyncio.to_thread(one.measure_again, MEASURED_STREAMS) for one in ready)
            await asyncio.gather(*measures)
            self._measured_s = time.monotonic()
        with self._places.lock:
            fitting = self._places.realtime()
        LOGGER.info("measured again: %d realtime streams fit here", fitting)
        return True
