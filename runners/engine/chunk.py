"""What a listener gets: one chunk of one stream, and how it came about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class EngineChunk:
    """One chunk of one stream.

    Attributes:
        audio: float32 `[sample, channel]`, 1.0 = full scale; read-only.
        chunk: its index in the music, from 0.
        controls: every control's value in force while it was made, by name.
        slack_s: how long it was ready before the listener needs it, in seconds; below 0 it was
            late, which is counted as an underrun. None = needed at once, as the first one is, or
            never, as those of pace "fast" are.
        seconds: wall time by stage, in seconds, of the tick it was made in; 0.0 = the stage's last
            output was reused.
        rows: how many streams that tick made a chunk for.
        underruns: chunks of this stream that were late, this one included.
        late_stage: the stage to blame, if this chunk is late; "queue" = it waited for the chunks
            of other streams; "" if it is not late.
        steer: how often the stream had been steered when it was made: with that, a player knows
            in which chunk a change is heard first.
        again: whether it takes the place of a chunk of the same index that was handed out before
            and cannot have been heard yet; only behind a steer that asked for it.
    """

    audio: np.ndarray
    chunk: int
    controls: Mapping[str, Any] = field(repr=False)
    slack_s: float | None
    seconds: Mapping[str, float] = field(repr=False)
    rows: int
    underruns: int
    late_stage: str
    steer: int
    again: bool = False
