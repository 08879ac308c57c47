"""An engine's counts since its start, and the times of its last ticks."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from statistics import median
from typing import Any

# Medians are over so many of the last values.
RECENT = 200


def _recent() -> deque[float]:
    return deque(maxlen=RECENT)


@dataclass
class EngineCounts:
    """An engine's counts since its start; used under the engine's lock.

    Attributes:
        joined: streams that joined.
        left: streams that left.
        refused: streams that were refused because the engine was full.
        failed: streams that ended because a stage failed for them.
        chunks: chunks read by clients.
        ticks: ticks made, without those of the warm-up.
        underruns: late chunks of realtime streams.
        dropped: chunks made and thrown away: after a reset, a close or a steer with `again`.
        stage_s: wall time by stage, in seconds.
        late_stages: underruns by the stage that was slow; "queue" = the chunk waited for others.
        ticks_s: wall time of each of the last ticks, in seconds.
        slacks_s: time from ready to needed of each of the last realtime chunks, in seconds.
        overheads_s: time beside the runner's work of each of the last ticks, per stream.
    """

    joined: int = 0
    left: int = 0
    refused: int = 0
    failed: int = 0
    chunks: int = 0
    ticks: int = 0
    underruns: int = 0
    dropped: int = 0
    stage_s: dict[str, float] = field(default_factory=dict)
    late_stages: dict[str, int] = field(default_factory=dict)
    ticks_s: deque[float] = field(default_factory=_recent)
    slacks_s: deque[float] = field(default_factory=_recent)
    overheads_s: deque[float] = field(default_factory=_recent)

    def add_tick(self, wall_s: float, stages_s: Mapping[str, float]) -> None:
        """Counts one tick and adds up the time of its stages."""
        self.ticks += 1
        self.ticks_s.append(wall_s)
        for stage, seconds in stages_s.items():
            self.stage_s[stage] = self.stage_s.get(stage, 0.0) + seconds

    def __add__(self, other: EngineCounts) -> EngineCounts:
        """Returns the counts of both together, with the last ticks of both."""
        total = EngineCounts()
        for one in fields(self):
            mine, others = getattr(self, one.name), getattr(other, one.name)
            value: Any = mine + others if isinstance(mine, int) else deque((*mine, *others))
            if isinstance(mine, dict):
                value = {
                    name: mine.get(name, 0) + others.get(name, 0) for name in {**mine, **others}
                }
            setattr(total, one.name, value)
        return total

    def add_late(self, stage: str) -> None:
        """Counts one underrun of a stage."""
        self.underruns += 1
        self.late_stages[stage] = self.late_stages.get(stage, 0) + 1


def median_of(values: deque[float]) -> float | None:
    """Returns the median; None = there are no values."""
    return median(values) if values else None
