"""The Depthformer: Magenta RealTime v1's language model of music, in Flax NNX."""

from soundstage.stages.depthformer.stage import Sample, SampleOnBeat

__all__ = ["Sample", "SampleOnBeat"]
