"""MusicCoCa, the published style model, run from its compiled graphs.

    text -> lower case -> subwords -> text_encoder -> (mapper) ----------+
                                                                         +-> weighted mean
    clip of 10 s -> audio_preprocessor -> music_encoder -----------------+        |
                                                                                  v
                                                    tokens <- pretrained_vector_quantizer

The graphs are TFLite files; LiteRT runs them on the CPU, whatever device a stage is placed on.
"""

from soundstage.stages.musiccoca.embed import Embed
from soundstage.stages.musiccoca.quantize import Quantize

__all__ = ["Embed", "Quantize"]
