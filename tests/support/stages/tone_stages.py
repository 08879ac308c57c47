"""Stages whose audio tells which numbers made it; they sleep as a device computes."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from soundstage.errors import ModelError
from soundstage.graph.port import Port

NUMBER = Port("int64", (), "number")


@dataclass(frozen=True)
class ToneParams:
    """The seconds that a chunk takes, however many rows it has, and the number that fails.

    `offset` is added to the number of the noise. `weights` is a file that has to be there, and
    `hangs` is the seconds that building the stage takes.
    """

    seconds: float = 0.0
    fails: int = -1
    offset: int = 0
    weights: str = ""
    hangs: float = 0.0


class Tone:
    """Returns noise of its number."""

    Params = ToneParams
    inputs = {"a": NUMBER}
    outputs = {"audio": Port("float32", ("sample", "channel"), "audio")}
    uses_device = False

    def __init__(self, params, format, device):
        self.params = params
        time.sleep(params.hangs)
        if params.weights and not Path(params.weights).exists():
            raise ModelError(f"{params.weights}: no such weights: copy them to every machine")
        self.shape = (format.dims["sample"], format.dims["channel"])

    def __call__(self, a):
        if self.params.fails in a:
            raise RuntimeError(f"a row has the number {self.params.fails}")
        time.sleep(self.params.seconds)
        numbers = a + self.params.offset
        noise = [np.random.default_rng(number).random(self.shape, np.float32) for number in numbers]
        return {"audio": np.stack(noise) - np.float32(0.5)}
