"""Stages of numbers on a device, and one that reports what it gets."""

import jax
import numpy as np

from soundstage.graph.port import Port

LEVEL = Port("float32", (), "level")
CHUNK = Port("int64", (), "chunk index")
WORDS = Port("utf8", ("~word",), "words")
KINDS = Port("utf8", (), "kind of array")
HALF = Port("bfloat16", ("channel",), "half")


class Double:
    """Returns twice its levels, on its device."""

    inputs = {"level": LEVEL}
    outputs = {"level": LEVEL}
    device_arrays = True

    def __init__(self, params, format, device):
        self.device = device

    def __call__(self, level):
        return {"level": level * np.float32(2)}


class Sum(Double):
    """Returns the sum of its levels so far."""

    inputs = {"level": LEVEL, "past": LEVEL}
    outputs = {"sum": LEVEL}

    def __call__(self, level, past):
        return {"sum": level + past}


class Report(Double):
    """Returns what kind of array each of its inputs is."""

    inputs = {"level": LEVEL, "chunk": CHUNK, "words": WORDS}
    outputs = {"kinds": KINDS}

    def __call__(self, level, chunk, words):
        words[0].append("its own")
        text = f"{kind(level)} {chunk.dtype} {kind(chunk)} {len(words[0])}"
        return {"kinds": [text] * len(level)}


class ReportPlain(Report):
    """The same, of a stage that takes arrays of NumPy."""

    device_arrays = False


class ReturnsDeviceArrays(Double):
    device_arrays = False

    def __call__(self, level):
        return {"level": jax.numpy.asarray(level)}


class Half(Double):
    """Returns its level in bfloat16, for each channel."""

    outputs = {"half": HALF}

    def __init__(self, params, format, device):
        self.channels = format.channels

    def __call__(self, level):
        halves = jax.numpy.stack([level] * self.channels, axis=1)
        return {"half": halves.astype(jax.numpy.bfloat16)}


def kind(array):
    if isinstance(array, jax.Array):
        return "jax read-only"
    return "numpy" if array.flags.writeable else "numpy read-only"
