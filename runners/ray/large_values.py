"""Large controls, such as audio prompts: sent to a process once, and not with every tick."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import ray

# Arrays of more bytes are sent once.
LARGE_BYTES = 1 << 16
# How many of them are kept for later ticks; the 32 clips of a stream fit several times.
MOST_KEPT = 256


@dataclass(frozen=True)
class SentArray:
    """Stands for an array in Ray's object store.

    Attributes:
        reference: to the array.
    """

    reference: Any


class SentValues:
    """The arrays that were put into the object store; the same array is put there once."""

    def __init__(self) -> None:
        # By the array's id; the array is kept, so that no other one gets its id.
        self._sent: OrderedDict[int, tuple[np.ndarray, SentArray]] = OrderedDict()

    def send(self, controls: Mapping[str, Any]) -> dict[str, Any]:
        """Returns controls with a `SentArray` in place of each large array."""
        return {name: _mapped(value, np.ndarray, self._send) for name, value in controls.items()}

    def _send(self, array: np.ndarray) -> object:
        if array.nbytes < LARGE_BYTES:
            return array
        kept = self._sent.pop(id(array), None) or (array, SentArray(ray.put(array)))
        self._sent[id(array)] = kept
        while len(self._sent) > MOST_KEPT:
            self._sent.popitem(last=False)
        return kept[1]


class ReadValues:
    """The arrays that were read from the object store; the same one is read once."""

    def __init__(self) -> None:
        self._arrays: OrderedDict[Any, np.ndarray] = OrderedDict()

    def read(self, controls: Mapping[str, Any]) -> dict[str, Any]:
        """Returns controls with the arrays that `SentValues.send` replaced."""
        return {name: _mapped(value, SentArray, self._read) for name, value in controls.items()}

    def _read(self, sent: SentArray) -> np.ndarray:
        array = self._arrays.get(sent.reference)
        if array is None:
            array = self._arrays[sent.reference] = ray.get(sent.reference)
            while len(self._arrays) > MOST_KEPT:
                self._arrays.popitem(last=False)
        return array


def _mapped(value: Any, kind: type, change: Callable[[Any], object]) -> Any:
    """Returns a value, or a list of values, in which those of a kind are changed."""
    if isinstance(value, kind):
        return change(value)
    if isinstance(value, list | tuple):
        return type(value)(_mapped(entry, kind, change) for entry in value)
    return value
