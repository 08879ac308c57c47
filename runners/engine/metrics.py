"""What an engine has to say about itself: for `/metrics`, `/readyz` and whoever looks."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from soundstage.runners.engine.capacity import Capacity
    from soundstage.runners.engine.row import StreamRow

# So many of the last chunks tell how things are now.
RECENT = 200


@dataclass(frozen=True)
class EngineMetrics:
    """An engine at one moment; counts are since its start.

    Attributes:
        ready: whether it is warm and takes streams.
        draining: whether it waits for its last streams to leave.
        streams: streams that are there, paused ones included, and what is prepared beside them.
        playing: streams whose chunks are being made.
        realtime: streams of pace "realtime".
        fast: streams of pace "fast".
        rows: the most streams it was told to take.
        capacity: realtime streams that the measurement allows, at most `rows`.
        batch: rows of every tick.
        chunk_s: how much music a chunk is, in seconds.
        cost_s: measured before it was ready: seconds for one chunk of each of so many streams, by
            their number.
        joined: streams that joined.
        left: streams that left.
        refused: streams that were not taken because it was full.
        failed: streams that ended because a stage failed for them.
        chunks: chunks handed out to streams.
        ticks: ticks made, warm-up not counted.
        under_way: ticks that are being made.
        underruns: chunks of realtime streams that were late.
        dropped: chunks made and thrown away: behind a reset, a close or a steer in a hurry.
        rtf: wall time of a tick over the music it makes, median of the last; None = no tick yet.
        slack_s: how long before they were due realtime chunks were ready, median of the last.
        least_slack_s: the least of the last.
        overhead_s: what a tick costs beside the runner's work, a stream; median of the last.
        stage_s: wall time by stage since the start, in seconds.
        late_stages: underruns by the stage to blame; "queue" = other streams' ticks.
    """

    ready: bool
    draining: bool
    streams: int
    playing: int
    realtime: int
    fast: int
    rows: int
    capacity: int
    batch: int
    chunk_s: float
    cost_s: Mapping[int, float]
    joined: int
    left: int
    refused: int
    failed: int
    chunks: int
    ticks: int
    under_way: int
    underruns: int
    dropped: int
    rtf: float | None
    slack_s: float | None
    least_slack_s: float | None
    overhead_s: float | None
    stage_s: Mapping[str, float]
    late_stages: Mapping[str, int]


@dataclass
class EngineCounts:
    """Counts as things happen; whoever uses it holds the engine's lock."""

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
    walls_s: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT))
    slacks_s: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT))
    overheads_s: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT))

    def add_tick(self, wall_s: float, stages_s: Mapping[str, float]) -> None:
        """Takes what one tick took."""
        self.ticks += 1
        self.walls_s.append(wall_s)
        for stage, seconds in stages_s.items():
            self.stage_s[stage] = self.stage_s.get(stage, 0.0) + seconds

    def add_late(self, stage: str) -> None:
        """Takes one underrun."""
        self.underruns += 1
        self.late_stages[stage] = self.late_stages.get(stage, 0) + 1


def figures_of(
    tally: EngineCounts,
    rows: Sequence[StreamRow],
    capacity: Capacity,
    *,
    ready: bool,
    draining: bool,
    batch: int = 1,
    under_way: int = 0,
) -> EngineMetrics:
    """An engine's figures; whoever asks holds its lock.

    Args:
        tally: what has happened.
        rows: who is there.
        capacity: what was measured.
        ready: whether it takes streams.
        draining: whether it will take no more.
        batch: rows of every tick.
        under_way: ticks that are being made.
    """
    wall_s = median_of(tally.walls_s)
    realtime = sum(row.realtime for row in rows)
    return EngineMetrics(
        ready=ready,
        draining=draining,
        streams=len(rows),
        playing=sum(row.playing for row in rows),
        realtime=realtime,
        fast=len(rows) - realtime,
        rows=capacity.rows,
        capacity=capacity.realtime,
        batch=batch,
        chunk_s=capacity.chunk_s,
        cost_s=capacity.cost_s,
        joined=tally.joined,
        left=tally.left,
        refused=tally.refused,
        failed=tally.failed,
        chunks=tally.chunks,
        ticks=tally.ticks,
        under_way=under_way,
        underruns=tally.underruns,
        dropped=tally.dropped,
        rtf=None if wall_s is None else wall_s / capacity.chunk_s,
        slack_s=median_of(tally.slacks_s),
        least_slack_s=min(tally.slacks_s, default=None),
        overhead_s=median_of(tally.overheads_s),
        stage_s=dict(tally.stage_s),
        late_stages=dict(tally.late_stages),
    )


def median_of(values: deque[float]) -> float | None:
    """The median; None of nothing."""
    return median(values) if values else None
