"""Does a pipeline play in real time here? The one answer that `doctor` and `play` give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

# With less to spare, anything else that this machine does is heard.
COMFORTABLE = 1.25


@dataclass(frozen=True)
class Verdict:
    """How long chunks take, against how long they last.

    Attributes:
        chunk_s: how much music a chunk is.
        usual_s: what a chunk takes as a rule.
        worst_s: what the slowest took.
    """

    chunk_s: float
    usual_s: float
    worst_s: float

    @classmethod
    def of(cls, chunk_s: float, walls_s: Sequence[float]) -> Verdict:
        """The verdict on some chunks, at least one, that were compiled before."""
        return cls(chunk_s, median(walls_s), max(walls_s))

    @property
    def margin(self) -> float:
        """How many times faster than real time chunks are made, as a rule."""
        return self.chunk_s / self.usual_s

    @property
    def rtf(self) -> float:
        """Time taken over the length of the music: above 1.0 is too slow."""
        return self.usual_s / self.chunk_s

    @property
    def word(self) -> Literal["plays", "barely", "too slow"]:
        """The verdict, for programs."""
        if self.margin < 1.0:
            return "too slow"
        return "plays" if self.margin >= COMFORTABLE else "barely"

    def __str__(self) -> str:
        took = f"{self.chunk_s:g} s of music take {self.usual_s:.2f} s"
        if self.word == "too slow":
            return f"does not play in real time: {took} ({self.margin:.2f} x real time)"
        if self.word == "barely":
            return f"plays in real time, but only just: {took} ({self.margin:.2f} x real time)"
        return f"plays in real time: {took} ({self.margin:.1f} x real time)"
