"""SpectroStream: the 48 kHz stereo codec of Magenta RealTime, in Flax NNX."""

from soundstage.stages.spectrostream.stage import Decode, DecodeOn, Encode, EncodeOn

__all__ = ["Decode", "DecodeOn", "Encode", "EncodeOn"]
