"""A codec without phases: how loud every band of sound is, 100 times a second, as RVQ codes."""

from soundstage.stages.bandcodec.stage import DecodeStreaming, Encode, EncodeStreaming

# The names in pipeline files: digests of those cover them.
DecodeOn = DecodeStreaming
EncodeOn = EncodeStreaming

__all__ = ["DecodeOn", "DecodeStreaming", "Encode", "EncodeOn", "EncodeStreaming"]
