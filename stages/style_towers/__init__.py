"""A small trained style model: two networks that embed texts and audio in one space.

    text -> subwords and letters -> weighted means -> two layers -> [rank] -+
                                                                            +-> basis
    clip -> log-mel -> convolutions over time -> weighted means -> [rank] --+

Each tower ends in `rank` numbers. A fixed basis with orthogonal rows maps them to the width of the
music format: a wide last layer would be most of the file and add nothing.
"""

from soundstage.stages.style_towers.stage import Embed

__all__ = ["Embed"]
