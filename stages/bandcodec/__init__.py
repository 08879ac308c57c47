"""A codec without phases: how loud every band of sound is, 100 times a second, as RVQ codes."""

from soundstage.stages.bandcodec.stage import DecodeOn, Encode, EncodeOn

__all__ = ["DecodeOn", "Encode", "EncodeOn"]
