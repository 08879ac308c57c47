"""How many streams this machine serves, from measurements."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from soundstage.runners.engine.refusals import RETRY_AFTER_S, Full
from soundstage.runners.timing.realtime import COMFORTABLE
from soundstage.runners.timing.stage_times import seconds_for

# One stream is tried so often at least, and as often as chunks fit into this time. More streams are
# tried less often, as each attempt makes more chunks: a server waits for this before it is ready.
_ATTEMPTS, _TRIED_S = 3, 0.5


@dataclass(frozen=True)
class Capacity:
    """How long chunks take by the number of streams, and how many streams fit therefore.

    A chunk of every stream has to be made in the time that a chunk lasts, with a margin of 1.25
    (the margin with which `doctor` calls a pipeline realtime). A stream with `buffer_chunks` below
    1 takes more of the machine: the chunks of all streams must be made within that shorter time.

    Where ticks have as many rows as they need, streams that play at different times share no tick,
    and a chunk may have to wait for the ticks in progress, which are those of other streams.

    Attributes:
        chunk_s: the length of a chunk in seconds.
        rows: the most streams, whatever the measurement allows.
        cost_s: seconds for one chunk of each of so many streams, by their number.
        margin: the least ratio of the time available to the time needed.
        fixed: the number of realtime streams admitted; None = the measurement decides.
        waits: the most ticks in progress that a chunk waits for.
        alone_s: seconds from chunk to chunk of a stream that is alone, where each is begun before
            the last one is made; None = not measured.
    """

    chunk_s: float
    rows: int
    cost_s: Mapping[int, float]
    margin: float = COMFORTABLE
    fixed: int | None = None
    waits: int = 0
    alone_s: float | None = None

    def measured(self, cost_s: Mapping[int, float]) -> Capacity:
        """Returns the capacity with other measurements."""
        return replace(self, cost_s=cost_s)

    def measured_again(self, cost_s: Mapping[int, float]) -> Capacity:
        """Returns the capacity with later measurements of the same machine.

        Numbers of streams that were not measured again change as one stream did.
        """
        if not self.cost_s:
            return self.measured(cost_s)
        ratio = cost_s[1] / self.cost_s[1]
        # An overloaded machine was measured with few streams, and says little of more.
        scaled = {n: seconds * ratio for n, seconds in self.cost_s.items() if n > max(cost_s)}
        return self.measured({**cost_s, **scaled})

    def scaled(self, factor: float) -> Capacity:
        """Returns the capacity of a machine on which every chunk takes `factor` as long."""
        scaled = self.measured({n: seconds * factor for n, seconds in self.cost_s.items()})
        return replace(scaled, alone_s=None if self.alone_s is None else self.alone_s * factor)

    def spare(self, realtime: int) -> float:
        """Returns the part of the time that is left beside so many realtime streams; may be < 0."""
        if not self.cost_s:
            return 0.0
        return 1.0 - self._needs_s(realtime) / self.chunk_s

    @property
    def problem(self) -> str:
        """Why not even one realtime stream fits, and the cure; "" = one fits, or none is measured.

        With a fixed number of streams there is none.
        """
        if self.fixed is not None or not self.cost_s or self.fits(1, self.chunk_s):
            return ""
        return (
            f"too slow for realtime: {self.takes_s(1):.1f} s for a chunk of {self.chunk_s:g} s; "
            "use a smaller preset, or pace fast (non-realtime)"
        )

    def takes_s(self, streams: int) -> float:
        """Returns the seconds for one chunk of each of so many streams."""
        return seconds_for(self.cost_s, streams) if streams else 0.0

    def fits(self, streams: int, ahead_s: float) -> bool:
        """Returns whether so many realtime streams are served in time.

        Args:
            streams: how many.
            ahead_s: the shortest time before its need at which one of them wants a chunk.
        """
        if self.fixed is not None:
            return streams <= self.fixed
        needs_s = self._needs_s(streams, overlap=ahead_s >= self.chunk_s)
        return needs_s <= min(ahead_s, self.chunk_s)

    @property
    def realtime(self) -> int:
        """Realtime streams that fit, each a chunk or more ahead; at most `rows`, 0 unmeasured."""
        if not self.cost_s:
            return 0
        fitting = (n for n in range(self.rows, 0, -1) if self.fits(n, self.chunk_s))
        return next(fitting, 0)

    def refuse(self, streams: int, realtime: int, ahead_s: float | None, shortest_s: float) -> None:
        """Refuses a stream that does not fit.

        Args:
            streams: the number of streams at present.
            realtime: how many of them are realtime.
            ahead_s: the new stream's time ahead; None = it is non-realtime.
            shortest_s: the shortest time ahead of the present realtime streams.

        Raises:
            Full: the stream does not fit.
        """
        if streams >= self.rows:
            raise Full(f"all {self.rows} slots are taken", RETRY_AFTER_S)
        if ahead_s is None and not realtime:
            return
        # A non-realtime stream is admitted only if one more realtime stream would fit: otherwise
        # the realtime streams would leave it no time.
        shortest_s = shortest_s if ahead_s is None else min(ahead_s, shortest_s)
        if not self.fits(realtime + 1, shortest_s):
            reason = self._reason(realtime + 1, min(shortest_s, self.chunk_s))
            raise Full(reason, RETRY_AFTER_S, measured=self.fixed is None)

    def _margin(self, streams: int) -> float:
        """Returns the margin with the ticks that a chunk may wait for."""
        return self.margin + min(max(0, streams - 1), self.waits)

    def _needs_s(self, streams: int, *, overlap: bool = True) -> float:
        """Returns the time that so many realtime streams need, with a margin."""
        takes_s = self.takes_s(streams)
        if overlap and streams == 1 and self.alone_s is not None:
            takes_s = min(takes_s, self.alone_s)
        return takes_s * self._margin(streams)

    def _reason(self, streams: int, within_s: float) -> str:
        if self.fixed is not None:
            return f"{self.fixed} realtime stream(s) are open, and no more are allowed"
        if self.problem:
            return self.problem
        most_s = within_s / self._margin(streams)
        return (
            f"a chunk for each of {streams} realtime stream(s) would take "
            f"{self.takes_s(streams):.2f} s and has to take at most {most_s:.2f} s"
        )


def measure(
    make: Callable[[int], None], rows: int, chunk_s: float, longest_s: float | None = None
) -> dict[int, float]:
    """Measures the seconds for one chunk of each of so many streams.

    Args:
        make: makes one chunk of each of so many streams.
        rows: the most streams.
        chunk_s: a number of streams that takes longer than this is the last to be measured.
        longest_s: a first attempt that takes longer than this is the only one; None = `chunk_s`.

    Returns:
        For 1, 2, 4, ... and `rows` streams, the median of all attempts, or the only one.
    """
    longest_s = chunk_s if longest_s is None else longest_s
    chunks = max(_ATTEMPTS, round(_TRIED_S / chunk_s))
    cost_s: dict[int, float] = {}
    for streams in sorted({min(2**power, rows) for power in range(rows.bit_length() + 1)}):
        attempts = math.ceil(chunks / streams)
        attempts_s: list[float] = []
        while len(attempts_s) < attempts and (not attempts_s or attempts_s[0] <= longest_s):
            start_s = time.monotonic()
            make(streams)
            attempts_s.append(time.monotonic() - start_s)
        cost_s[streams] = sorted(attempts_s)[len(attempts_s) // 2]
        if cost_s[streams] > chunk_s:
            break
    return cost_s
