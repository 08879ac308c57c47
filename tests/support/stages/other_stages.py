"""Stages to put in the place of recorded ones: nearly right, or of other ports."""

from dataclasses import dataclass

import numpy as np

from soundstage.graph.port import Port
from soundstage.stages.ports import CONTEXT, FADED_AUDIO, TOKENS
from soundstage.stages.toy import RandomSample, SineDecode


@dataclass(frozen=True)
class ScaledParams:
    """By which factor the audio is wrong."""

    factor: float = 1.0


class ScaledDecode(SineDecode):
    """Plays the same, louder or softer."""

    Params = ScaledParams

    def __init__(self, params, format, device):
        super().__init__(None, format, device)
        self.factor = np.float32(params.factor)

    def __call__(self, tokens, context):
        return {"audio": super().__call__(tokens, context)["audio"] * self.factor}


@dataclass(frozen=True)
class WrongOnceParams:
    """Where the one wrong token is."""

    chunk: int = 1
    row: int = 1
    frame: int = 7
    level: int = 3


class WrongOnce(RandomSample):
    """Samples the same tokens but for one."""

    Params = WrongOnceParams

    def __init__(self, params, format, device):
        super().__init__(None, format, device)
        self.wrong = params

    def __call__(self, *, chunk, **inputs):
        tokens = super().__call__(chunk=chunk, **inputs)["tokens"]
        wrong = self.wrong
        if chunk[wrong.row] == wrong.chunk:
            tokens[wrong.row, wrong.frame, wrong.level] ^= 1
        return {"tokens": tokens}


class Talkative(SineDecode):
    """Says more than the recorded stage, which no edge of a pipeline minds."""

    outputs = {"audio": FADED_AUDIO, "loudness": Port("float32", (), "loudness")}

    def __call__(self, tokens, context):
        audio = super().__call__(tokens, context)["audio"]
        return {"audio": audio, "loudness": np.abs(audio).max(axis=(1, 2))}


class Renamed(SineDecode):
    """Another name for the same output."""

    outputs = {"sound": FADED_AUDIO}


class Short(SineDecode):
    """Hears less than the recorded stage."""

    inputs = {"tokens": TOKENS}


class Long(SineDecode):
    """Wants more than the recorded stage."""

    inputs = {"tokens": TOKENS, "context": CONTEXT, "future": TOKENS}
