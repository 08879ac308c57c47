"""SpectroStream: the 48 kHz stereo codec of Magenta RealTime, in Flax NNX."""

from soundstage.stages.spectrostream.stage import (
    Decode,
    DecodeStreaming,
    Encode,
    EncodeStreaming,
)

# The names in pipeline files: digests of those cover them.
DecodeOn = DecodeStreaming
EncodeOn = EncodeStreaming

__all__ = ["Decode", "DecodeOn", "DecodeStreaming", "Encode", "EncodeOn", "EncodeStreaming"]
