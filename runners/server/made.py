"""What a listener gets: one chunk of one stream, and how it came about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Made:
    """One chunk of one stream.

    Attributes:
        audio: float32 `[sample, channel]`, 1.0 = full scale; read-only.
        chunk: its index in the music, from 0.
        controls: every control's value in force while it was made, by name.
        slack_s: how long it was ready before it was due, in seconds; below 0 it was late, which is
            counted as an underrun. 0.0 for a stream of pace "fast", whose chunks are never due.
        seconds: wall time by stage, in seconds, of the tick it was made in; 0.0 = the stage's last
            output was reused.
        rows: how many streams that tick made a chunk for.
        underruns: chunks of this stream that were late, this one included.
        late_stage: the stage that took longest beyond what it usually takes, if this chunk is
            late; "" if it is not.
        steer: how often the stream had been steered when it was made: with that, a player knows
            in which chunk a change is heard first.
    """

    audio: np.ndarray
    chunk: int
    controls: Mapping[str, Any] = field(repr=False)
    slack_s: float
    seconds: Mapping[str, float] = field(repr=False)
    rows: int
    underruns: int
    late_stage: str
    steer: int
