"""One message of every kind of port, small enough to damage byte by byte."""

import numpy as np

from soundstage.graph import wire
from soundstage.graph.port import Port

DIMS = {"one": 1, "level": 2, "frame": 3, "sample": 5}
TOKENS = Port("int32", ("frame", "level"), "codec token", "[0, 1024)")
SEED = Port("int64", (), "seed")
CLIPS = Port("float32", ("~clip", "sample"), "audio", "1.0 = full scale")
TEXTS = Port("utf8", ("~text",), "prompt")
TITLE = Port("utf8", (), "title")
PORTS = {"tokens": TOKENS, "seed": SEED, "clips": CLIPS, "texts": TEXTS, "title": TITLE}


def small_values():
    return {
        "tokens": np.arange(12, dtype=np.int32).reshape(2, 3, 2),
        "seed": np.array([7, 8], np.int64),
        "clips": [np.zeros((0, 5), np.float32), np.ones((2, 5), np.float32)],
        "texts": [[], ["", "lo-fi piano"]],
        "title": ["", "é"],
    }


def encoded(changes=(), declared=PORTS):
    return wire.encode(declared, small_values() | dict(changes), ["a", "b"], [3, 4], DIMS)
