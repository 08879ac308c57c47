"""Stages that replace recorded ones: with slightly other outputs, or with other ports."""

from dataclasses import dataclass

import numpy as np

from soundstage.graph.port import Port
from soundstage.stages.ports import CONTEXT, FADED_AUDIO, TOKENS
from soundstage.stages.toy import RandomSample, SineDecode


@dataclass(frozen=True)
class ScaledParams:
    """The factor by which the audio is wrong."""

    factor: float = 1.0


class ScaledDecode(SineDecode):
    """Decodes the same audio, scaled by a factor."""

    Params = ScaledParams

    def __init__(self, params, format, device):
        super().__init__(None, format, device)
        self.factor = np.float32(params.factor)

    def __call__(self, tokens, context):
        return {"audio": super().__call__(tokens, context)["audio"] * self.factor}


@dataclass(frozen=True)
class WrongOnceParams:
    """The place of the wrong token."""

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
    """Has one output more than the recorded stage."""

    outputs = {"audio": FADED_AUDIO, "loudness": Port("float32", (), "loudness")}

    def __call__(self, tokens, context):
        audio = super().__call__(tokens, context)["audio"]
        return {"audio": audio, "loudness": np.abs(audio).max(axis=(1, 2))}


class Renamed(SineDecode):
    """Has the same output under another name."""

    outputs = {"sound": FADED_AUDIO}


class Short(SineDecode):
    """Has one input less than the recorded stage."""

    inputs = {"tokens": TOKENS}


class Long(SineDecode):
    """Has one input more than the recorded stage."""

    inputs = {"tokens": TOKENS, "context": CONTEXT, "future": TOKENS}
