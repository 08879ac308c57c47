"""Finds the stage that made a chunk late, by comparing times with their medians."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

# The number of chunks in the median.
REMEMBERED = 50
# A sound card reads audio in blocks, a little before it is due.
_NEARLY = 0.9


@dataclass(frozen=True)
class Late:
    """The cause of an underrun.

    Attributes:
        chunk: the chunk that took too long.
        stage: the stage that took too long.
        took_s: the time of the stage for this chunk.
        usual_s: the median time of the stage; None without earlier chunks.
    """

    chunk: int
    stage: str
    took_s: float
    usual_s: float | None

    def __str__(self) -> str:
        usual = "" if self.usual_s is None else f" (usually {self.usual_s:.2f} s)"
        return f"{self.stage} took {self.took_s:.2f} s{usual}"


@dataclass(frozen=True)
class _Chunk:
    """The times of one chunk, and the medians of the chunks before it."""

    chunk: int
    wall_s: float
    busy_s: Mapping[str, float]
    usual_s: Mapping[str, float]


class Lateness:
    """Finds the stage that caused an underrun.

    An underrun often has its cause in an earlier chunk, which emptied the buffer. The cause is the
    slowest chunk since the buffer was full. Of its stages, it is the one that most exceeded its
    median time, if the excess is at least half of the chunk's delay; else the slowest stage.
    """

    def __init__(self, chunk_s: float) -> None:
        """Starts without any times.

        Args:
            chunk_s: seconds of audio in a chunk.
        """
        self._chunk_s = chunk_s
        self._past: dict[str, deque[float]] = {}
        self._suspect: _Chunk | None = None

    def add(self, chunk: int, wall_s: float, busy_s: Mapping[str, float], stocked: bool) -> None:
        """Adds the times of one chunk.

        Args:
            chunk: the chunk's index.
            wall_s: the time from the chunk's start to its end.
            busy_s: the time of each stage.
            stocked: whether the buffer was full when the chunk was started.
        """
        if stocked or self._suspect is None or wall_s > self._suspect.wall_s:
            usual_s = {stage: median(times) for stage, times in self._past.items()}
            self._suspect = _Chunk(chunk, wall_s, busy_s, usual_s)
        for stage, seconds in busy_s.items():
            self._past.setdefault(stage, deque(maxlen=REMEMBERED)).append(seconds)

    def blame(self) -> Late | None:
        """Returns the cause; None if no chunk took too long, so that the process was waiting."""
        suspect = self._suspect
        if suspect is None or suspect.wall_s < _NEARLY * self._chunk_s:
            return None
        busy_s, usual_s = suspect.busy_s, suspect.usual_s
        excess_s = {stage: busy_s[stage] - usual_s[stage] for stage in busy_s if stage in usual_s}
        stage = max(excess_s, key=excess_s.__getitem__, default="")
        if not stage or excess_s[stage] < (suspect.wall_s - self._chunk_s) / 2:
            stage = max(busy_s, key=busy_s.__getitem__)
        return Late(suspect.chunk, stage, busy_s[stage], usual_s.get(stage))
