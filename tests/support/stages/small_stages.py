"""Small stages of whole numbers, whose outputs are easy to predict."""

import os
import time
from dataclasses import dataclass

import numpy as np

from soundstage.graph.port import Port

NUMBER = Port("int64", (), "number")
CHUNK = Port("int64", (), "chunk index")
NOTE = Port("utf8", ("~note",), "note")


class Add:
    """Returns a + b."""

    inputs = {"a": NUMBER, "b": NUMBER}
    outputs = {"sum": NUMBER}
    uses_device = False

    def __init__(self, params, format, device):
        pass

    def __call__(self, a, b):
        return {"sum": a + b}


class Digits:
    """Returns 10 * past + a, so that the digits show the order of the calls."""

    inputs = {"a": NUMBER, "past": NUMBER}
    outputs = {"number": NUMBER}
    uses_device = False

    def __init__(self, params, format, device):
        pass

    def __call__(self, a, past):
        return {"number": (10 * past + a) % 1_000_003}


class Identify:
    """Returns the chunk's index as a number."""

    inputs = {"chunk": CHUNK}
    outputs = {"number": NUMBER}
    uses_device = False

    def __init__(self, params, format, device):
        pass

    def __call__(self, chunk):
        return {"number": chunk.copy()}


@dataclass(frozen=True)
class SlowParams:
    """The seconds that a call or a build takes, and the path of a log."""

    seconds: float = 0.05
    log: str = ""


class Slow:
    """Returns a + 1 after some seconds; writes the start and end of a call to a log."""

    Params = SlowParams
    inputs = {"a": NUMBER}
    outputs = {"number": NUMBER}
    uses_device = False

    def __init__(self, params, format, device):
        self.params = params

    def __call__(self, a):
        start = time.monotonic()
        time.sleep(self.params.seconds)
        if self.params.log:
            with open(self.params.log, "a") as log:
                log.write(f"{a[0]} {start} {time.monotonic()}\n")
        return {"number": a + 1}


class Laborious:
    """Returns a + 1; building takes some seconds, and writes the process id to a log."""

    Params = SlowParams
    inputs = {"a": NUMBER}
    outputs = {"number": NUMBER}
    uses_device = False

    def __init__(self, params, format, device):
        time.sleep(params.seconds)
        with open(params.log, "a") as log:
            log.write(f"{os.getpid()}\n")

    def __call__(self, a):
        return {"number": a + 1}


@dataclass(frozen=True)
class TrapParams:
    """The number at which `Trap` raises an error."""

    number: int = 3


class Trap:
    """Returns its numbers, but raises an error at one of them."""

    Params = TrapParams
    inputs = {"a": NUMBER}
    outputs = {"number": NUMBER}
    uses_device = False

    def __init__(self, params, format, device):
        self.number = params.number

    def __call__(self, a):
        if self.number in a:
            raise RuntimeError(f"stepped on {self.number}")
        return {"number": a.copy()}


class WrongShape:
    """Declares one number a row and returns two."""

    inputs = {"a": NUMBER}
    outputs = {"number": NUMBER}
    uses_device = False

    def __init__(self, params, format, device):
        pass

    def __call__(self, a):
        return {"number": np.stack([a, a])}


class Meddler:
    """Writes to its input, which is forbidden."""

    inputs = {"a": NUMBER}
    outputs = {"number": NUMBER}
    uses_device = False

    def __init__(self, params, format, device):
        pass

    def __call__(self, a):
        a += 1
        return {"number": a}


class Measure:
    """Returns the length of all notes; writes every call to a log."""

    Params = SlowParams
    inputs = {"notes": NOTE}
    outputs = {"length": NUMBER}
    uses_device = False

    def __init__(self, params, format, device):
        self.log = params.log

    @staticmethod
    def refusal(values):
        return "a note may not be 'forbidden'" if "forbidden" in values["notes"] else None

    def __call__(self, notes):
        if self.log:
            with open(self.log, "a") as log:
                log.write("call\n")
        return {"length": np.array([sum(map(len, row)) for row in notes], np.int64)}


@dataclass(frozen=True)
class HangParams:
    """The number at which `Hang` never returns."""

    number: int = 3


class Hang:
    """Returns its numbers, but never returns at one of them."""

    Params = HangParams
    inputs = {"a": NUMBER}
    outputs = {"number": NUMBER}
    uses_device = False

    def __init__(self, params, format, device):
        self.number = params.number

    def __call__(self, a):
        while self.number in a:
            time.sleep(0.1)
        return {"number": a.copy()}


class Unbuildable:
    """Raises an error when it is built."""

    inputs = {"a": NUMBER}
    outputs = {"number": NUMBER}
    uses_device = False

    def __init__(self, params, format, device):
        raise ValueError("no such weights")

    def __call__(self, a):
        return {"number": a}


@dataclass(frozen=True)
class HitchParams:
    """The number at which `Hitch` is slow, and the seconds it takes."""

    number: int = 3
    seconds: float = 1.0


class Hitch:
    """Returns its numbers at once, but takes some seconds at one of them."""

    Params = HitchParams
    inputs = {"a": NUMBER}
    outputs = {"number": NUMBER}
    uses_device = False

    def __init__(self, params, format, device):
        self.params = params

    def __call__(self, a):
        if self.params.number in a:
            time.sleep(self.params.seconds)
        return {"number": a.copy()}


class Hum:
    """Returns constant audio for any number, so that a jump in it comes from elsewhere."""

    inputs = {"a": NUMBER}
    outputs = {"audio": Port("float32", ("sample", "channel"), "audio")}
    uses_device = False

    def __init__(self, params, format, device):
        self.shape = (format.dims["sample"], format.dims["channel"])

    def __call__(self, a):
        return {"audio": np.full((len(a), *self.shape), 0.5, np.float32)}
