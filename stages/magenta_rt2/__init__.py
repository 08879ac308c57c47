"""Magenta RealTime 2: a language model of music that makes one frame of 40 ms a step."""

from soundstage.stages.magenta_rt2.conditioning import Condition, Notes
from soundstage.stages.magenta_rt2.step import Step

__all__ = ["Condition", "Notes", "Step"]
