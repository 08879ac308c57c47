"""Samplers that raise an error or are slow for some rows only."""

import time
from dataclasses import dataclass

import numpy as np

from soundstage.stages.toy import RandomSample

RAISES_AT = 7.0
SLEEPS_AT = 77.0
SLEEP_S = 0.5


class TouchySample(RandomSample):
    def __call__(self, temperature, guidance, **others):
        if np.any(temperature == RAISES_AT):
            raise ArithmeticError("a row is too hot")
        if np.any(guidance == SLEEPS_AT):
            time.sleep(SLEEP_S)
        return super().__call__(temperature=temperature, guidance=guidance, **others)


class PlacedSample(RandomSample):
    def __call__(self, prompt, **others):
        tokens = super().__call__(prompt=prompt, **others)["tokens"]
        index = np.arange(len(tokens), dtype=tokens.dtype)[:, None, None]
        return {"tokens": (tokens + index) % 1024}


@dataclass(frozen=True)
class FolderParams:
    """A file that is not there."""

    weights: str = ""


class FolderSample(RandomSample):
    """Names the folder of its file when it fails."""

    Params = FolderParams

    def __init__(self, params, format, device):
        super().__init__(None, format, device)
        self.weights = params.weights

    def __call__(self, temperature, **others):
        if np.any(temperature == RAISES_AT):
            raise FileNotFoundError(2, "No such file or directory", self.weights)
        return super().__call__(temperature=temperature, **others)
