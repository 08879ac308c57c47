"""A codec that keeps no phases: loudness of bands, stereo image and attacks, as codes."""

from soundstage.stages.bandcodec.stage import Decode, DecodeStreaming, Encode, EncodeStreaming

# Pipeline files use these names, and digests of pipeline files cover them.
DecodeOn = DecodeStreaming
EncodeOn = EncodeStreaming

__all__ = ["Decode", "DecodeOn", "DecodeStreaming", "Encode", "EncodeOn", "EncodeStreaming"]
