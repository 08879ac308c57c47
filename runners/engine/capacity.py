"""How many streams this machine serves: measured, not believed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from soundstage.runners.engine.refusals import Full
from soundstage.runners.timing.realtime import COMFORTABLE
from soundstage.runners.timing.stage_times import seconds_for

# How long a listener who is refused does well to wait: long enough for somebody to leave.
RETRY_AFTER_S = 10.0
# How often a number of streams is tried.
_ATTEMPTS = 3


@dataclass(frozen=True)
class Capacity:
    """What was measured, and what follows.

    A chunk of every stream has to be made in the time that a chunk lasts, with a margin: so many
    streams fit as leave a fifth of the time over (margin 1.25, the same by which `doctor` calls a
    pipeline one that plays). A listener who wants chunks less than one chunk ahead takes more of
    it, for then all must be made within that shorter time.

    Attributes:
        chunk_s: how much music a chunk is.
        rows: the most streams, whatever the machine could do.
        cost_s: seconds for one chunk of each of so many streams, by their number.
        margin: the time there is over the time it takes, at least.
        insisted: realtime streams let in whatever was measured; None = what was measured counts.
    """

    chunk_s: float
    rows: int
    cost_s: Mapping[int, float]
    margin: float = COMFORTABLE
    insisted: int | None = None

    def takes_s(self, streams: int) -> float:
        """Seconds for one chunk of each of so many streams."""
        return seconds_for(self.cost_s, streams) if streams else 0.0

    def fits(self, streams: int, ahead_s: float) -> bool:
        """Whether so many realtime streams are served in time.

        Args:
            streams: how many.
            ahead_s: the shortest time ahead of its need that any of them wants a chunk.
        """
        if self.insisted is not None:
            return streams <= self.insisted
        return self.takes_s(streams) * self.margin <= min(ahead_s, self.chunk_s)

    @property
    def realtime(self) -> int:
        """Realtime streams that fit, each a chunk or more ahead; at most `rows`, 0 unmeasured."""
        if not self.cost_s:
            return 0
        fitting = (n for n in range(self.rows, 0, -1) if self.fits(n, self.chunk_s))
        return next(fitting, 0)

    def refuse(self, streams: int, realtime: int, ahead_s: float | None, shortest_s: float) -> None:
        """Lets a stream in, or says why not.

        Args:
            streams: how many there are.
            realtime: how many of them are of pace "realtime".
            ahead_s: the newcomer's time ahead; None = pace "fast".
            shortest_s: the shortest time ahead of those there are.

        Raises:
            Full: it does not fit.
        """
        if streams >= self.rows:
            raise Full(f"all {self.rows} places are taken", RETRY_AFTER_S)
        if ahead_s is None and not realtime:
            return
        # A fast stream needs something to be left when it comes: at least one listener's share.
        shortest_s = shortest_s if ahead_s is None else min(ahead_s, shortest_s)
        if not self.fits(realtime + 1, shortest_s):
            raise Full(self._reason(realtime + 1, min(shortest_s, self.chunk_s)), RETRY_AFTER_S)

    def _reason(self, streams: int, within_s: float) -> str:
        if self.insisted is not None:
            return f"{self.insisted} listener(s) are here, no more were allowed"
        return (
            f"a chunk for each of {streams} listener(s) would take {self.takes_s(streams):.2f} s "
            f"and has to take {within_s / self.margin:.2f} s at most"
        )


def measure(make: Callable[[int], None], rows: int, chunk_s: float) -> dict[int, float]:
    """Seconds for one chunk of each of so many streams, by their number.

    Args:
        make: makes one chunk of each of so many streams.
        rows: the most streams.
        chunk_s: beyond this, more streams are not worth measuring.

    Returns:
        For 1, 2, 4, ... streams and `rows`, the median of three attempts (of one, where one takes
        longer than a chunk lasts), up to the first number that takes too long.
    """
    found: dict[int, float] = {}
    for streams in sorted({min(2**power, rows) for power in range(rows.bit_length() + 1)}):
        taken: list[float] = []
        while len(taken) < _ATTEMPTS and (not taken or taken[0] <= chunk_s):
            start_s = time.monotonic()
            make(streams)
            taken.append(time.monotonic() - start_s)
        found[streams] = sorted(taken)[len(taken) // 2]
        if found[streams] > chunk_s:
            break
    return found
