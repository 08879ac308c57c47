"""When a slot is likely to be free, from how often slots have become free lately."""

from __future__ import annotations

import math
from collections import deque

from soundstage.runners.engine.refusals import RETRY_AFTER_S
from soundstage.runners.engine.row import StreamRow

# The mean is over so many of the last times at which a slot became free.
RECENT = 20
LEAST_S, MOST_S = 1.0, 60.0


class Waits:
    """The streams that wait for a slot, in the order in which they were refused first.

    They are not served in that order: each asks again, and the first to ask when a slot is free
    gets it. The order tells how long each is likely to wait.
    """

    def __init__(self) -> None:
        self._freed_s: deque[float] = deque(maxlen=RECENT)
        self._asked_s: dict[StreamRow, float] = {}

    def free(self, now_s: float) -> None:
        """Notes that a slot has become free."""
        self._freed_s.append(now_s)

    def admit(self, row: StreamRow) -> None:
        """Notes that a stream has a slot."""
        self._asked_s.pop(row, None)

    def refuse(self, row: StreamRow, now_s: float) -> float:
        """Notes that a stream was refused.

        Returns:
            In how many seconds a slot for it is likely to be free: `RETRY_AFTER_S` before two slots
            have become free, else `LEAST_S` to `MOST_S`.
        """
        self._asked_s = {
            one: asked_s
            for one, asked_s in self._asked_s.items()
            if not one.closed and now_s - asked_s < 2 * MOST_S
        }
        self._asked_s[row] = now_s
        if len(self._freed_s) < 2:
            return RETRY_AFTER_S
        first_s, last_s = self._freed_s[0], self._freed_s[-1]
        every_s = (last_s - first_s) / (len(self._freed_s) - 1)
        place = list(self._asked_s).index(row) + 1
        wait_s = place * every_s - (now_s - last_s)
        return float(math.ceil(min(MOST_S, max(LEAST_S, wait_s))))
