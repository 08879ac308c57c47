"""Stages with unusual or wrong declarations, for pipelines that `check` must refuse."""

from dataclasses import dataclass

from soundstage.graph.port import Port
from soundstage.stages.ports import AUDIO, PROMPT_TEXTS

HALF_AUDIO = Port("float16", AUDIO.shape, AUDIO.kind)


class Stage:
    """A stage without a declaration; `check` never builds it."""

    def __init__(self, params, format, device):
        raise AssertionError("check builds no stage")

    def __call__(self, **inputs):
        raise AssertionError("check calls no stage")


class Half(Stage):
    """Audio as half-precision numbers."""

    inputs = {"audio": AUDIO}
    outputs = {"audio": HALF_AUDIO}


class Listen(Stage):
    """Reads audio and has no outputs."""

    inputs = {"audio": AUDIO}
    outputs = {}


class Echo(Stage):
    """Returns its texts; their number differs from row to row."""

    inputs = {"texts": PROMPT_TEXTS}
    outputs = {"texts": PROMPT_TEXTS}


class LooseParams(Listen):
    """Has `Params` that are not a dataclass."""

    Params = dict


class UnknownDimension(Listen):
    """Has a port with a dimension that no format has."""

    outputs = {"beats": Port("float32", ("beat",), "beat")}


@dataclass(frozen=True)
class Needed:
    """One setting without a default."""

    size: int


class NeedsParams(Listen):
    """Has a parameter without a default."""

    Params = Needed
