"""Who gets a place: a stream is let in only if it, and all who listen already, come in time."""

from __future__ import annotations

import math
import time

from soundstage.runners.engine.capacity import RETRY_AFTER_S, Capacity
from soundstage.runners.engine.refusals import ControlRefused, Full
from soundstage.runners.engine.row import StreamRow
from soundstage.runners.engine.workers import Workers

# The most chunks that are made ahead of a listener.
MOST_AHEAD = 60
# For so long after an underrun nobody is let in: the machine is slower than when it was measured.
WATCH_S = 10.0


def refuse_pace(pace: str, buffer_chunks: float) -> None:
    """Refuses what no stream can have.

    Raises:
        ControlRefused: the pace is unknown, or so many chunks ahead cannot be.
    """
    if pace not in ("realtime", "fast"):
        raise ControlRefused(f"pace: expected realtime or fast, got {str(pace)[:40]!r}")
    if not 0 < buffer_chunks <= MOST_AHEAD:  # NaN compares false
        raise ControlRefused(
            f"buffer_chunks: {buffer_chunks} is not more than 0 and at most {MOST_AHEAD}"
        )


def admit(lanes: Workers, capacity: Capacity, row: StreamRow) -> None:
    """Gives a row a place; whoever calls holds the engine's lock.

    Raises:
        Full: there is none, or it would make somebody late.
    """
    rows = list(lanes.groups.rows())
    ahead = [other.schedule.ahead_s for other in rows]
    realtime = [ahead_s for ahead_s in ahead if ahead_s is not None]
    try:
        capacity.refuse(
            len(rows), len(realtime), row.schedule.ahead_s, min(realtime, default=math.inf)
        )
        if capacity.insisted is None:
            _refuse_while_late(lanes)
    except Full:
        lanes.tally.refused += 1
        raise
    lanes.tally.joined += 1
    lanes.groups.join(row)


def _refuse_while_late(lanes: Workers) -> None:
    since_s = time.monotonic() - lanes.last_late_s
    if since_s < WATCH_S and any(row.realtime for row in lanes.groups.rows()):
        reason = f"somebody's chunk was late {since_s:.0f} s ago"
        raise Full(reason, min(RETRY_AFTER_S, WATCH_S - since_s))
