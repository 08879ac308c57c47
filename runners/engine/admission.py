"""Which streams are admitted: those that fit without making any realtime stream late.

They must also fit in memory: chunks that are made ahead, and controls such as audio prompts. After
a refusal the machine is measured again, for it may have been busy when the engine started.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Iterable, Mapping
from typing import Any, get_args

from soundstage.graph.format import Format
from soundstage.graph.port import array_bytes
from soundstage.runners.engine.capacity import RETRY_AFTER_S, Capacity
from soundstage.runners.engine.refusals import ControlRefused, Full
from soundstage.runners.engine.row import StreamRow
from soundstage.runners.engine.schedule import Pace
from soundstage.runners.engine.warmup import Warm
from soundstage.runners.engine.workers import Workers

LOGGER = logging.getLogger("soundstage.serve")

# The most chunks made ahead of their need.
MOST_AHEAD = 60
# For so long after an underrun no stream is admitted: the machine is slower than when measured.
WATCH_S = 10.0
# The most bytes of one stream, and of all.
MOST_STREAM_BYTES, MOST_BYTES = 128 << 20, 512 << 20
# The most bytes of controls in a saved session: audio prompts of two minutes.
MOST_SAVED_BYTES = 8 << 20
# Besides those of the unread chunks, so many controls are kept: of the chunks that may be made
# again, of the next chunk, and of the resume point.
OTHER_CONTROLS = 4
# Without streams, chunks are made to measure, so often at most, and for so many streams.
EVERY_S, MOST_STREAMS = 5.0, 2
# With streams, the ticks that had the machine alone tell: the median of so many or more.
LEAST_TICKS = 5


def refuse_pace(pace: str, buffer_chunks: float) -> None:
    """Refuses an unknown pace, and more chunks ahead than the engine makes.

    Raises:
        ControlRefused: the pace is unknown, or `buffer_chunks` is out of range.
    """
    if pace not in get_args(Pace):
        known = " or ".join(get_args(Pace))
        raise ControlRefused(f"pace: expected {known}, got {str(pace)[:40]!r}")
    if not 0 < buffer_chunks <= MOST_AHEAD:  # NaN compares false
        raise ControlRefused(
            f"buffer_chunks: expected more than 0 and at most {MOST_AHEAD}, got {buffer_chunks}"
        )


def admit(workers: Workers, capacity: Capacity, row: StreamRow) -> None:
    """Gives a row a slot; the caller holds the engine's lock.

    Raises:
        Full: no slot is free, or a realtime stream would be late.
    """
    rows = list(workers.groups.rows())
    ahead = [other.schedule.ahead_s for other in rows]
    realtime = [ahead_s for ahead_s in ahead if ahead_s is not None]
    try:
        capacity.refuse(
            len(rows), len(realtime), row.schedule.ahead_s, min(realtime, default=math.inf)
        )
        if capacity.fixed is None:
            _refuse_while_late(workers)
    except Full:
        workers.counts.refused += 1
        raise
    workers.counts.joined += 1
    workers.groups.join(row)


def _refuse_while_late(workers: Workers) -> None:
    since_s = time.monotonic() - workers.last_late_s
    if since_s < WATCH_S and any(row.realtime for row in workers.groups.rows()):
        reason = f"a chunk of another stream was late {since_s:.0f} s ago"
        raise Full(reason, min(RETRY_AFTER_S, WATCH_S - since_s))


def held_bytes(row: StreamRow, controls: Mapping[str, Any], format: Format) -> int:
    """Returns the most bytes that a stream holds while it has such controls."""
    chunk_bytes = 4 * format.dims["sample"] * format.channels
    kept = row.max_unread + OTHER_CONTROLS
    return row.max_unread * chunk_bytes + kept * array_bytes(controls)


def refuse_memory(
    row: StreamRow, controls: Mapping[str, Any], others: Iterable[StreamRow], format: Format
) -> None:
    """Refuses controls, or a stream, that would hold too much memory.

    Args:
        row: the stream.
        controls: its controls from now on.
        others: all streams; `row` may be one of them.
        format: gives the size of a chunk.

    Raises:
        ControlRefused: the stream alone would hold more than `MOST_STREAM_BYTES`.
        Full: all streams would hold more than `MOST_BYTES`.
    """
    own = held_bytes(row, controls, format)
    if own > MOST_STREAM_BYTES:
        raise ControlRefused(
            f"{row.max_unread} chunks ahead with such controls would hold {own / 1e6:.0f} MB, more "
            f"than {MOST_STREAM_BYTES / 1e6:.0f} MB: ask for fewer buffer_chunks or clips"
        )
    total = own + sum(held_bytes(one, one.controls, format) for one in others if one is not row)
    if total > MOST_BYTES:
        raise Full(
            f"all streams would hold {total / 1e6:.0f} MB, more than {MOST_BYTES / 1e6:.0f} MB: "
            "ask for fewer buffer_chunks or clips",
            RETRY_AFTER_S,
        )


def refuse_large_session(controls: Mapping[str, Any]) -> None:
    """Refuses to save controls that are large.

    Raises:
        ControlRefused: they have more than `MOST_SAVED_BYTES`.
    """
    size = array_bytes(controls)
    if size > MOST_SAVED_BYTES:
        raise ControlRefused(
            f"the session has prompts of {size / 1e6:.1f} MB, more than the limit of "
            f"{MOST_SAVED_BYTES / 1e6:.1f} MB: use fewer or shorter clips"
        )


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
