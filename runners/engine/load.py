"""What chunks really cost on an engine, learnt from the ticks that it makes."""

from __future__ import annotations

from collections import deque
from statistics import median

from soundstage.runners.engine.capacity import Capacity

# The factor is the median of so many of the last spells of work, and of so many at least.
RECENT, LEAST = 15, 5


class LearntLoad:
    """How many streams fit on an engine: as measured before it was ready, corrected by its ticks.

    A spell of work is a time in which a tick is in progress. It ends when no tick is, or when it
    has lasted for as long as a chunk. If k chunks were made in it, their time is compared with the
    measured time of k chunks; if its ticks have several sizes, with the sum of their measured
    times, as streams that play at different times share no tick. The median ratio corrects the
    measurement for all numbers of streams. So the capacity falls when the machine gets slower, and
    rises when it gets faster.

    Attributes:
        measured: the capacity as it was measured; none before the engine is warm.
    """

    def __init__(self, measured: Capacity) -> None:
        self.measured = measured
        self._ratios: deque[float] = deque(maxlen=RECENT)
        self._in_progress = 0
        self._begin_spell(0.0)

    @property
    def capacity(self) -> Capacity:
        """How many streams fit, by all that is known."""
        if len(self._ratios) < LEAST:
            return self.measured
        return self.measured.scaled(median(self._ratios))

    @property
    def learnt(self) -> bool:
        """Whether ticks have corrected the measurement."""
        return len(self._ratios) >= LEAST

    def remeasure(self, measured: Capacity) -> None:
        """Replaces the measurement, and forgets what earlier ticks have shown."""
        self.measured = measured
        self._ratios.clear()

    def begin(self, now_s: float) -> None:
        """Counts a tick that begins."""
        if not self._in_progress:
            self._begin_spell(now_s)
        self._in_progress += 1

    def end(self, now_s: float, chunks: int, *, sized: bool = False) -> None:
        """Counts a tick that ends.

        Args:
            now_s: the time.
            chunks: the chunks that it made; 0 = it failed, and its time tells nothing.
            sized: whether ticks have several sizes, of which each was measured.
        """
        self._in_progress -= 1
        if sized and self.measured.cost_s:
            self._sized_s += self.measured.takes_s(chunks)
        else:
            self._chunks += chunks
        self._whole &= chunks > 0
        took_s = now_s - self._start_s
        if self._in_progress and took_s < self.measured.chunk_s:
            return
        if self._whole and self.measured.cost_s:
            expected_s = self._sized_s + self.measured.takes_s(self._chunks)
            self._ratios.append(took_s / expected_s)
        self._begin_spell(now_s)

    def _begin_spell(self, now_s: float) -> None:
        self._start_s, self._whole = now_s, True
        self._chunks, self._sized_s = 0, 0.0
