"""Magenta RealTime 2: a language model of music that makes one frame of 40 ms a step."""

from collections.abc import Mapping

from soundstage.stages.magenta_rt2.notes import Notes
from soundstage.stages.magenta_rt2.step import Step

__all__ = ["Notes", "Step"]
# What `check` says to pipeline files and saved sessions that name a stage of before.
REPLACED: Mapping[str, str] = {
    "Condition": "`Step` embeds the conditioning itself since its state has numbers in place of "
    "vectors: wire style and numbers to it, as the presets do; sessions saved before cannot be "
    "resumed"
}
