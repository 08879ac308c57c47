"""Which streams are admitted: those that fit without making any realtime stream late."""

from __future__ import annotations

import math
import time
from typing import get_args

from soundstage.runners.engine.capacity import RETRY_AFTER_S, Capacity
from soundstage.runners.engine.refusals import ControlRefused, Full
from soundstage.runners.engine.row import StreamRow
from soundstage.runners.engine.schedule import Pace
from soundstage.runners.engine.workers import Workers

# The most chunks made ahead of their need.
MOST_AHEAD = 60
# For so long after an underrun no stream is admitted: the machine is slower than when measured.
WATCH_S = 10.0


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
