"""A sampler with one control more than any that ships."""

import numpy as np

from soundstage.graph.port import Port
from soundstage.stages.toy import RandomSample

SWING = Port("float32", (), "swing", "[0, 1]", minimum=0.0, maximum=1.0, help="How far it swings")


class SwingSample(RandomSample):
    inputs = RandomSample.inputs | {"swing": SWING}

    def __call__(self, swing, **others):
        tokens = super().__call__(**others)["tokens"]
        return {"tokens": (tokens + np.round(100 * swing)[:, None, None].astype(np.int32)) % 1024}
