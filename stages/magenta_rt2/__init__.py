"""Magenta RealTime 2: a language model of music that makes one frame of 40 ms a step."""

from collections.abc import Mapping

from soundstage.stages.magenta_rt2.notes import Notes
from soundstage.stages.magenta_rt2.step import Step

__all__ = ["Notes", "Step"]
# What `check` says to pipeline files and saved sessions that name a stage of before.
REPLACED: Mapping[str, str] = {
    "Condition": "`Step` embeds the conditioning itself: wire its inputs style and numbers as the "
    "presets do, and delete this stage and condition_dim; sessions saved with it cannot be resumed",
}
