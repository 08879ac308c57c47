"""Stages whose declarations are odd: for pipelines that `check` must refuse."""

from dataclasses import dataclass

from soundstage.graph.port import Port
from soundstage.stages.ports import AUDIO, PROMPT_TEXTS

HALF_AUDIO = Port("float16", AUDIO.shape, AUDIO.kind)


class Stage:
    """Everything but a declaration; `check` never builds it."""

    def __init__(self, params, format, device):
        raise AssertionError("check builds no stage")

    def __call__(self):
        raise AssertionError("check calls no stage")


class Half(Stage):
    """Audio as half-precision numbers."""

    inputs = {"audio": AUDIO}
    outputs = {"audio": HALF_AUDIO}


class Listen(Stage):
    """Reads audio and says nothing."""

    inputs = {"audio": AUDIO}
    outputs = {}


class Echo(Stage):
    """Texts in, texts out: a different number in every row."""

    inputs = {"texts": PROMPT_TEXTS}
    outputs = {"texts": PROMPT_TEXTS}


class LooseParams(Listen):
    """Its `Params` is no dataclass."""

    Params = dict


class UnknownDimension(Listen):
    """One of its dimensions is in no format."""

    outputs = {"beats": Port("float32", ("beat",), "beat")}


@dataclass(frozen=True)
class Needed:
    """One setting without a default."""

    size: int


class NeedsParams(Listen):
    """Cannot do without its parameter."""

    Params = Needed
