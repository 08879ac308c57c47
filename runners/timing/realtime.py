"""Whether a pipeline runs in real time on this machine, for `doctor` and `play`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

# With a smaller margin, other load on the machine causes underruns.
COMFORTABLE = 1.25
# Music that is kept buffered, unless it is asked for otherwise or a chunk is longer: programs and
# networks pause about so long now and then.
BUFFERED_S = 0.2


def chunks_ahead(chunk_s: float, buffered_s: float = BUFFERED_S) -> int:
    """Returns how many chunks last at least `buffered_s`; at least one.

    Args:
        chunk_s: seconds of audio in a chunk.
        buffered_s: seconds of music to keep buffered.
    """
    return max(1, math.ceil(buffered_s / chunk_s - 1e-6))


@dataclass(frozen=True)
class Verdict:
    """The time that chunks take, compared with their length.

    Attributes:
        chunk_s: seconds of audio in a chunk.
        usual_s: the median time of a chunk.
        worst_s: the longest time of a chunk.
    """

    chunk_s: float
    usual_s: float
    worst_s: float

    @classmethod
    def of(cls, chunk_s: float, walls_s: Sequence[float]) -> Verdict:
        """Makes the verdict from the times of at least one chunk, without compilation."""
        return cls(chunk_s, median(walls_s), max(walls_s))

    @property
    def margin(self) -> float:
        """The median speed as a multiple of real time."""
        return self.chunk_s / self.usual_s

    @property
    def rtf(self) -> float:
        """The real-time factor: median time over length; above 1.0 is too slow."""
        return self.usual_s / self.chunk_s

    @property
    def word(self) -> Literal["plays", "barely", "too slow"]:
        """The verdict, for programs."""
        if self.margin < 1.0:
            return "too slow"
        return "plays" if self.margin >= COMFORTABLE else "barely"

    def __str__(self) -> str:
        usual = f"{self.usual_s:.2f}" if self.usual_s >= 0.1 else f"{self.usual_s:.2g}"
        took = f"{self.chunk_s:g} s of music take {usual} s"
        if self.word == "too slow":
            return f"does not play in real time: {took} ({self.margin:.2f} x real time)"
        if self.word == "barely":
            return f"plays in real time, but only just: {took} ({self.margin:.2f} x real time)"
        return f"plays in real time: {took} ({self.margin:.1f} x real time)"
