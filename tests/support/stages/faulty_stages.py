"""Stages that break the contract of stages, each in one way."""

import os
from dataclasses import dataclass
from itertools import count

import numpy as np

from soundstage.graph.port import Port

NUMBER = Port("float32", (), "number")
PAIR = Port("float32", ("channel",), "pair")


class Half:
    """Keeps the contract."""

    inputs = {"number": NUMBER}
    outputs = {"half": NUMBER}

    def __init__(self, params, format, device):
        self.calls = count()
        self.buffer = np.zeros(9, np.float32)

    def __call__(self, number):
        return {"half": number / 2}


class Counts(Half):
    def __call__(self, number):
        return {"half": number + np.float32(next(self.calls))}


class RemembersOthers(Half):
    def __call__(self, number):
        self.most = max(getattr(self, "most", number.max()), number.max())
        return {"half": np.full_like(number, self.most)}


class ReusesItsOutput(Half):
    def __call__(self, number):
        self.buffer[: len(number)] = number / 2
        return {"half": self.buffer[: len(number)]}


class ChangesItsInput(Half):
    def __call__(self, number):
        number /= 2
        return {"half": number}


class SeesOtherRows(Half):
    def __call__(self, number):
        return {"half": number - number.mean(dtype=np.float32)}


class CountsRows(Half):
    def __call__(self, number):
        return {"half": number * np.float32(len(number))}


class DependsOnTheProcess(Half):
    def __call__(self, number):
        return {"half": number + np.float32(os.getpid())}


class ReturnsDoubles(Half):
    def __call__(self, number):
        return {"half": number / np.float64(2)}


class ReturnsAnotherName(Half):
    def __call__(self, number):
        return {"third": number}


class ReturnsAnArray(Half):
    def __call__(self, number):
        return number / 2


class ReturnsNan(Half):
    def __call__(self, number):
        return {"half": number * np.float32("nan")}


class Raises(Half):
    def __call__(self, number):
        raise ArithmeticError("two and two are not five")


class CannotBeBuilt(Half):
    def __init__(self, params, format, device):
        raise KeyError("layers.0")


class HasNoOutputs:
    inputs = {"number": NUMBER}


class TakesOtherInputs(Half):
    def __call__(self, numbers):
        return {"half": numbers / 2}


class TakesNoFormat(Half):
    def __init__(self, params):
        pass


class HasAnUnknownDimension(Half):
    inputs = {"number": Port("float32", ("chanel",), "number")}


class HasAHalfDigest(Half):
    weights_digest = "ab12"
    weights_note = "random"


class RefusesBadly(Half):
    @staticmethod
    def refusal(values):
        return values["number"] > 2


class LacksBadly(Half):
    @staticmethod
    def lacking(params):
        raise OSError("no such folder")


@dataclass
class Loose:
    size: int = 3


class HasLooseParams(Half):
    Params = Loose


@dataclass(frozen=True)
class Sealed:
    size: int = 3

    def __reduce__(self):
        raise TypeError("a lock cannot be pickled")


class CannotBeSent(Half):
    Params = Sealed
