"""Makes the values that a stage returned unchangeable, mostly without a copy."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np


def own(call: Callable[[], Any]) -> Any:
    """Calls a stage, and returns its outputs as read-only arrays in C order and as new lists.

    An array that nothing else refers to is made read-only in place. One that the stage might still
    change, because it keeps it or shows the memory of another array, is copied. JAX's arrays cannot
    be changed.

    Args:
        call: returns a dict: by name, an array, or a list of arrays, texts or lists of texts.
            Anything else is returned as it is.
    """
    # A new dict in place of that of the stage, which may keep it: while both exist, arrays have
    # one reference more.
    values = _copied(call())
    if not isinstance(values, dict):
        return values
    return {name: _owned(values, name) for name in values}


def _copied(values: Any) -> Any:
    return dict(values) if isinstance(values, dict) else values


def own_list(rows: list[Any]) -> list[Any]:
    """Returns a list of read-only arrays, of texts, or of new lists of texts."""
    return [_own_row(row) for row in rows]


def freeze(array: np.ndarray) -> np.ndarray:
    """Makes an array read-only that nothing else refers to, and returns it."""
    array.flags.writeable = False
    return array


def read_only(array: np.ndarray) -> np.ndarray:
    """Returns an array that nobody can change: the same if it is one, else a copy."""
    return array if _is_fixed(array) else freeze(array.copy(order="C"))


def _own_row(row: Any) -> Any:
    if isinstance(row, np.ndarray):
        return read_only(row)
    return list(row) if isinstance(row, list) else row


def _owned(values: Mapping[str, Any], name: str) -> Any:
    if isinstance(values[name], list):
        return own_list(values[name])
    if not isinstance(values[name], np.ndarray):
        return values[name]
    alone = values[name].flags.writeable and _is_alone(values, name)
    array: np.ndarray = values[name]
    if not alone or not array.flags.c_contiguous:
        return read_only(array)
    if array.base is not None:
        freeze(array.base)
    return freeze(array)


def _is_fixed(array: np.ndarray) -> bool:
    """Whether an array is in C order, and nobody can write to its memory."""
    if array.flags.writeable or not array.flags.c_contiguous:
        return False
    base = array.base
    while isinstance(base, np.ndarray):
        if base.flags.writeable:
            return False
        base = base.base
    return True


def _is_alone(values: Mapping[str, Any], name: str) -> bool:
    """Whether nothing but `values` refers to an array, and nothing but that to its memory."""
    base = values[name].base
    if base is None:
        return _references(values, name)[0] <= _ALONE[0]
    if not isinstance(base, np.ndarray) or not base.flags.owndata:
        return False
    del base
    array, memory = _references(values, name)
    return array <= _ALONE[0] and memory <= _ALONE[1]


def _references(values: Mapping[str, Any], name: str) -> tuple[int, int]:
    """Counts the references to an array, and to the one whose memory it shows."""
    return sys.getrefcount(values[name]), sys.getrefcount(values[name].base)


def _count_alone() -> tuple[int, int]:
    """Counts the references to an array and its memory while nothing else refers to them."""
    return _references({"view": np.zeros(2)[:1]}, "view")


# Counted, as versions of Python count differently.
_ALONE = _count_alone()
