"""Stages with a memo, and stages whose memo is wrong in one way."""

from dataclasses import dataclass
from functools import partial

import jax
import numpy as np

from soundstage.graph.port import Port

NUMBER = Port("int64", (), "number")
LAST = Port("int64", ("context_level",), "last numbers")  # 4 in the default format
LEVELS = Port("float32", ("context_level",), "last levels")
LEVEL = Port("float32", (), "level")


@dataclass(frozen=True)
class LogParams:
    """The path of a log; empty = none."""

    log: str = ""


class Window:
    """Returns the sum of the last four numbers.

    Its memo is that sum. With a wrong memo the sum is wrong from then on, so that equal sums prove
    equal memos. The log has the state of every row that `rebuild` is called with.
    """

    Params = LogParams
    inputs = {"a": NUMBER, "past": LAST}
    outputs = {"sum": NUMBER, "past": LAST}
    memo = ("past",)
    uses_device = False

    def __init__(self, params, format, device):
        self.log = params.log

    def rebuild(self, past):
        if self.log:
            with open(self.log, "a") as log:
                log.write(f"{past.tolist()}\n")
        return {"sum": past.sum(axis=1)}

    def __call__(self, a, past, memo):
        total = memo["sum"]
        total += a - past[:, 0]  # in place: a memo is given away
        past = np.concatenate([past[:, 1:], a[:, None]], axis=1)
        return {"sum": total.copy(), "past": past}, {"sum": total}


class DeviceWindow:
    """Returns the sum of the last four levels; JAX overwrites its memo, their squares, in place."""

    inputs = {"a": LEVEL, "past": LEVELS}
    outputs = {"sum": LEVEL, "past": LEVELS}
    memo = ("past",)

    def __init__(self, params, format, device):
        self.device = device

    def rebuild(self, past):
        return {"squares": jax.device_put(past, self.device) ** 2}

    def __call__(self, a, past, memo):
        squares, total = _move(memo["squares"], a)
        past = np.concatenate([past[:, 1:], a[:, None]], axis=1)
        return {"sum": np.asarray(total), "past": past}, {"squares": squares}


class DeviceState(DeviceWindow):
    """The same, whose state is on the device, too."""

    device_arrays = True

    def __call__(self, a, past, memo):
        squares, total = _move(memo["squares"], a)
        past = jax.numpy.concatenate([past[:, 1:], a[:, None]], axis=1)
        return {"sum": total, "past": past}, {"squares": squares}


@partial(jax.jit, donate_argnums=0)
def _move(squares, a):
    squares = jax.numpy.concatenate([squares[:, 1:], a[:, None] ** 2], axis=1)
    return squares, squares.sum(axis=1)


class RebuildsOther(Window):
    def rebuild(self, past):
        return {"sum": past.sum(axis=1) + past[:, 1]}


class SeesOtherRows(Window):
    def rebuild(self, past):
        return {"sum": past.sum(axis=1) + len(np.unique(past[:, 0]))}


class ReturnsNoMemo(Window):
    def __call__(self, a, past, memo):
        return super().__call__(a, past, memo)[0]


class ReturnsAnArray(Window):
    def __call__(self, a, past, memo):
        return super().__call__(a, past, memo)[0], memo["sum"]


class ReturnsFewerRows(Window):
    def __call__(self, a, past, memo):
        outputs, memo = super().__call__(a, past, memo)
        return outputs, {"sum": memo["sum"][:0]}


class NamesNoState(Window):
    memo = ("a",)


class NamesNoTuple(Window):
    memo = "past"


class CannotRebuild(Window):
    def rebuild(self, last):
        return {}
