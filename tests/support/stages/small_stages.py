"""Stages small enough to reason about: whole numbers in, whole numbers out."""

import os
import time
from dataclasses import dataclass

import numpy as np

from soundstage.graph.port import Port

NUMBER = Port("int64", (), "number")
CHUNK = Port("int64", (), "chunk index")
NOTE = Port("utf8", ("~note",), "note")


class Add:
    """a + b."""

    inputs = {"a": NUMBER, "b": NUMBER}
    outputs = {"sum": NUMBER}

    def __init__(self, params, format, device):
        pass

    def __call__(self, a, b):
        return {"sum": a + b}


class Digits:
    """Remembers a number's digits of before: 10 * past + a, to make order visible."""

    inputs = {"a": NUMBER, "past": NUMBER}
    outputs = {"number": NUMBER}

    def __init__(self, params, format, device):
        pass

    def __call__(self, a, past):
        return {"number": (10 * past + a) % 1_000_003}


class Identify:
    """The chunk's index as a number."""

    inputs = {"chunk": CHUNK}
    outputs = {"number": NUMBER}

    def __init__(self, params, format, device):
        pass

    def __call__(self, chunk):
        return {"number": chunk.copy()}


@dataclass(frozen=True)
class SlowParams:
    """How long to take."""

    seconds: float = 0.05
    log: str = ""


class Slow:
    """a + 1, after a while; writes start and end times to a log for the test to read."""

    Params = SlowParams
    inputs = {"a": NUMBER}
    outputs = {"number": NUMBER}

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
    """a + 1, after a long time of building; writes into a log which processes have built it."""

    Params = SlowParams
    inputs = {"a": NUMBER}
    outputs = {"number": NUMBER}

    def __init__(self, params, format, device):
        time.sleep(params.seconds)
        with open(params.log, "a") as log:
            log.write(f"{os.getpid()}\n")

    def __call__(self, a):
        return {"number": a + 1}


@dataclass(frozen=True)
class TrapParams:
    """Which number springs the trap."""

    number: int = 3


class Trap:
    """Passes numbers on, but raises at one of them."""

    Params = TrapParams
    inputs = {"a": NUMBER}
    outputs = {"number": NUMBER}

    def __init__(self, params, format, device):
        self.number = params.number

    def __call__(self, a):
        if self.number in a:
            raise RuntimeError(f"stepped on {self.number}")
        return {"number": a.copy()}


class WrongShape:
    """Promises one number a row and gives two."""

    inputs = {"a": NUMBER}
    outputs = {"number": NUMBER}

    def __init__(self, params, format, device):
        pass

    def __call__(self, a):
        return {"number": np.stack([a, a])}


class Meddler:
    """Writes into its input, which no stage may."""

    inputs = {"a": NUMBER}
    outputs = {"number": NUMBER}

    def __init__(self, params, format, device):
        pass

    def __call__(self, a):
        a += 1
        return {"number": a}


class Measure:
    """The length of all notes; counts its calls in a log, so that a test sees which were spared."""

    Params = SlowParams
    inputs = {"notes": NOTE}
    outputs = {"length": NUMBER}

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
    """Which number it never answers for."""

    number: int = 3


class Hang:
    """Passes numbers on, but thinks about one of them for ever."""

    Params = HangParams
    inputs = {"a": NUMBER}
    outputs = {"number": NUMBER}

    def __init__(self, params, format, device):
        self.number = params.number

    def __call__(self, a):
        while self.number in a:
            time.sleep(0.1)
        return {"number": a.copy()}


class Unbuildable:
    """Cannot be built."""

    inputs = {"a": NUMBER}
    outputs = {"number": NUMBER}

    def __init__(self, params, format, device):
        raise ValueError("no such weights")

    def __call__(self, a):
        return {"number": a}


@dataclass(frozen=True)
class HitchParams:
    """At which number to take how long."""

    number: int = 3
    seconds: float = 1.0


class Hitch:
    """Passes numbers on at once, but takes its time over one of them."""

    Params = HitchParams
    inputs = {"a": NUMBER}
    outputs = {"number": NUMBER}

    def __init__(self, params, format, device):
        self.params = params

    def __call__(self, a):
        if self.params.number in a:
            time.sleep(self.params.seconds)
        return {"number": a.copy()}


class Hum:
    """The same loudness for a whole chunk, whatever the number: a jump in it is not its own."""

    inputs = {"a": NUMBER}
    outputs = {"audio": Port("float32", ("sample", "channel"), "audio")}

    def __init__(self, params, format, device):
        self.shape = (format.dims["sample"], format.dims["channel"])

    def __call__(self, a):
        return {"audio": np.full((len(a), *self.shape), 0.5, np.float32)}
