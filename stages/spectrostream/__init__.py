"""SpectroStream: the 48 kHz stereo codec of Magenta RealTime, in Flax NNX."""

from stages.spectrostream.stage import Decode, Encode

__all__ = ["Decode", "Encode"]
