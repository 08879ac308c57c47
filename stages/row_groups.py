"""Rows in groups, a group a core: programs for a few rows keep little more than one core busy."""

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np


def cores() -> int:
    """How many cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return (len(affinity(0)) if affinity is not None else os.cpu_count()) or 1


class RowGroups:
    """Calls a function on groups of rows side by side.

    Groups are of one size, so that one program serves them all: the last one is filled up with its
    last row, and what comes of that is dropped. For functions whose rows do not see each other.

    Args:
        groups: how many, at most; of one row at least each.
    """

    def __init__(self, groups: int) -> None:
        self._groups = groups
        self._threads = ThreadPoolExecutor(groups, "rows")

    def __call__(
        self, function: Callable[..., np.ndarray], arguments: Mapping[str, np.ndarray]
    ) -> np.ndarray:
        """Calls it.

        Args:
            function: takes the arguments by name, [row, ...] each, and returns [row, ...].
            arguments: all rows.

        Raises:
            Exception: what the function raises.
        """
        rows = len(next(iter(arguments.values())))
        size = -(-rows // self._groups)
        if size == rows:
            return function(**arguments)
        count = -(-rows // size)
        places = np.minimum(np.arange(count * size), rows - 1).reshape(count, size)
        parts = [{name: value[some] for name, value in arguments.items()} for some in places]
        made = self._threads.map(lambda part: function(**part), parts)
        return np.concatenate(list(made))[:rows]
