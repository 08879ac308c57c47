"""SpectroStream: the 48 kHz stereo codec of Magenta RealTime, in Flax NNX."""

from soundstage.stages.spectrostream.codes_decoder import DecodeFromCodes
from soundstage.stages.spectrostream.stage import (
    Decode,
    DecodeStreaming,
    Encode,
    EncodeStreaming,
)

# Pipeline files use these names, and digests of pipeline files cover them.
DecodeOn = DecodeStreaming
EncodeOn = EncodeStreaming

__all__ = [
    "Decode",
    "DecodeFromCodes",
    "DecodeOn",
    "DecodeStreaming",
    "Encode",
    "EncodeOn",
    "EncodeStreaming",
]
