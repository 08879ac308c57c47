"""A small style model of our own: two towers that put texts and audio into one space.

    text -> subwords and letters -> weighted means -> two layers -> [rank] -+
                                                                            +-> basis
    clip -> log-mel -> convolutions over time -> weighted means -> [rank] --+

The towers end in few numbers, `rank`, which a fixed basis with orthogonal rows turns into the
width of the music format: a wide last layer would be most of the file and add nothing.
"""

from soundstage.stages.style_towers.stage import Embed

__all__ = ["Embed"]
