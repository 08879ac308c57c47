"""A pipeline that sleeps as a device computes, and whose audio tells which chunk of which it is."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from soundstage.graph.check import build
from soundstage.graph.format import Format
from soundstage.graph.plan import Graph
from soundstage.graph.port import Port
from soundstage.graph.spec import parse

NUMBER = Port("int64", (), "number")
# Values of the audio are numbers modulo this, as parts of full scale: float32 tells them apart.
SCALE = 1 << 16


class Count:
    """Adds a step in every chunk, so that a stream's audio tells its chunks apart."""

    inputs = {"step": NUMBER, "past": NUMBER}
    outputs = {"number": NUMBER}
    uses_device = False

    def __init__(self, params: None, format: Format, device: None) -> None:
        pass

    def __call__(self, step: np.ndarray, past: np.ndarray) -> dict[str, np.ndarray]:
        return {"number": past + step}


@dataclass(frozen=True)
class SleepParams:
    """The seconds of a tick; `offset` is added to the numbers, and tells two pipelines apart."""

    seconds: float
    offset: int = 0


class SleepAudio:
    """Returns audio of one value, after a sleep."""

    Params = SleepParams
    # Of the chunk's index, so that the measurement before the start makes every chunk.
    inputs = {"number": NUMBER, "chunk": Port("int64", (), "chunk index")}
    outputs = {"audio": Port("float32", ("sample", "channel"), "audio")}
    uses_device = False

    def __init__(self, params: SleepParams, format: Format, device: None) -> None:
        self.params = params
        self.shape = (format.dims["sample"], format.dims["channel"])

    def __call__(self, number: np.ndarray, chunk: np.ndarray) -> dict[str, np.ndarray]:
        time.sleep(self.params.seconds)
        audio = np.empty((len(number), *self.shape), np.float32)
        audio[:] = value_of(number + self.params.offset)[:, None, None]
        return {"audio": audio}


def value_of(number: np.ndarray) -> np.ndarray:
    """Returns the value of the audio of a number."""
    return (number % SCALE / SCALE).astype(np.float32)


def sleeping(
    seconds: float, chunk_s: float, offset: int = 0, placement: Mapping[str, Any] | None = None
) -> Graph:
    """Builds a counter and an audio stage that sleeps."""
    past = {"from": "count.number", "delay": 1, "init": 0}
    stages = {
        "count": {"use": "fleets.sleeping:Count", "inputs": {"step": "in.step", "past": past}},
        "audio": {
            "use": "fleets.sleeping:SleepAudio",
            "params": {"seconds": seconds, "offset": offset},
            "inputs": {"number": "count.number", "chunk": "clock.chunk"},
        },
    }
    spec = {
        "schema": 1,
        "name": "sleeping",
        "format": {"chunk_s": chunk_s, "context_s": 2 * chunk_s},
        "inputs": {"step": 1},
        "outputs": {"audio": "audio.audio"},
        "stage": stages,
        "placement": dict(placement or {}),
    }
    return build(parse(spec), ["fleets"])
