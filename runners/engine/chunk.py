"""One chunk of one stream, with the facts of its making."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from soundstage.runners.spans import Span


@dataclass(frozen=True)
class TickRecord:
    """When a tick was made.

    Attributes:
        engine: the number of the engine that made it.
        start_s: when the engine was asked for it, in seconds since the epoch.
        end_s: when it was there.
        spans: those of its stages.
    """

    engine: int
    start_s: float
    end_s: float
    spans: tuple[Span, ...]


@dataclass(frozen=True)
class EngineChunk:
    """One chunk of one stream.

    Attributes:
        audio: float32 `[sample, channel]`, 1.0 = full scale; read-only.
        chunk: its index in the music, from 0.
        controls: the values of all controls it was made with, by name.
        slack_s: seconds from when it was ready to when it is needed; below 0 it was late, which
            counts as an underrun. None = needed at once, as the first chunk is, or never, as those
            of a non-realtime stream.
        seconds: wall time by stage, in seconds, of its tick; 0.0 = the stage's last output was
            reused.
        rows: how many streams its tick made a chunk for.
        underruns: late chunks of this stream so far, this one included.
        late_stage: the stage that made it late; "queue" = it waited for the chunks of other
            streams; "" = it is not late.
        tick: when its tick was made.
        steer: how often the stream had been steered when it was made. A player sees from this in
            which chunk a change is heard first.
        again: whether it replaces a chunk of the same index that was read before and cannot have
            been heard yet; only after a steer with `again`.
        not_understood: by text prompt, its words that the pipeline does not understand, with
            commas between; empty if it understands all, or cannot tell.
    """

    audio: np.ndarray
    chunk: int
    controls: Mapping[str, Any] = field(repr=False)
    slack_s: float | None
    seconds: Mapping[str, float] = field(repr=False)
    rows: int
    underruns: int
    late_stage: str
    tick: TickRecord = field(repr=False)
    steer: int
    again: bool = False
    not_understood: Mapping[str, str] = field(default_factory=dict)
