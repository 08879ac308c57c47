"""A codec that keeps no phases: the loudness of frequency bands, 100 times a second, as codes."""

from soundstage.stages.bandcodec.stage import DecodeStreaming, Encode, EncodeStreaming

# Pipeline files use these names, and digests of pipeline files cover them.
DecodeOn = DecodeStreaming
EncodeOn = EncodeStreaming

__all__ = ["DecodeOn", "DecodeStreaming", "Encode", "EncodeOn", "EncodeStreaming"]
