"""Which stage was late: what chunks took, held against what they usually take."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

# Chunks whose times tell what is usual.
REMEMBERED = 50
# A sound card takes music in blocks, hence a little before it is due.
_NEARLY = 0.9


@dataclass(frozen=True)
class Late:
    """Why music was late.

    Attributes:
        chunk: the chunk that took too long.
        stage: the stage that did.
        took_s: how long it was busy with it.
        usual_s: how long it is as a rule; None if there is no telling yet.
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
    """What one chunk took, and what was usual before it."""

    chunk: int
    wall_s: float
    busy_s: Mapping[str, float]
    usual_s: Mapping[str, float]


class Lateness:
    """Finds the stage to blame for an underrun.

    An underrun is seldom the fault of the chunk during which it happens alone: what used up the
    music in stock before counts as well. The slowest chunk since the stock was full is to blame,
    and of its stages the one that took longest beyond its usual time, if that is why the chunk
    took longer than it lasts; else the one that takes longest anyway.
    """

    def __init__(self, chunk_s: float) -> None:
        """Knows nothing yet.

        Args:
            chunk_s: how much music a chunk is.
        """
        self._chunk_s = chunk_s
        self._past: dict[str, deque[float]] = {}
        self._suspect: _Chunk | None = None

    def add(self, chunk: int, wall_s: float, busy_s: Mapping[str, float], stocked: bool) -> None:
        """Takes what one chunk took.

        Args:
            chunk: its index.
            wall_s: from its beginning to its end.
            busy_s: how long each stage was busy with it.
            stocked: whether the stock was full when it was begun.
        """
        if stocked or self._suspect is None or wall_s > self._suspect.wall_s:
            usual_s = {stage: median(times) for stage, times in self._past.items()}
            self._suspect = _Chunk(chunk, wall_s, busy_s, usual_s)
        for stage, seconds in busy_s.items():
            self._past.setdefault(stage, deque(maxlen=REMEMBERED)).append(seconds)

    def blame(self) -> Late | None:
        """The stage to blame; None if no chunk took long: then the process was kept waiting."""
        suspect = self._suspect
        if suspect is None or suspect.wall_s < _NEARLY * self._chunk_s:
            return None
        busy_s, usual_s = suspect.busy_s, suspect.usual_s
        beyond = {stage: busy_s[stage] - usual_s[stage] for stage in busy_s if stage in usual_s}
        stage = max(beyond, key=beyond.__getitem__, default="")
        if not stage or beyond[stage] < (suspect.wall_s - self._chunk_s) / 2:
            stage = max(busy_s, key=busy_s.__getitem__)
        return Late(suspect.chunk, stage, busy_s[stage], usual_s.get(stage))
