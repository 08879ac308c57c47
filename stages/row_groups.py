"""Rows of one call in groups, one thread a group.

A compiled program for a few rows keeps little more than one core busy.
"""

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np


def cores() -> int:
    """Returns the number of cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return (len(affinity(0)) if affinity is not None else os.cpu_count()) or 1


def live_threads() -> int:
    """Returns the threads of a stage of live music: half of the cores, at most 4.

    The model and the decoder of its codes run side by side. More threads than cores would wait for
    each other, and more than 4 do where layers are small.
    """
    return min(4, max(1, cores() // 2))


class RowGroups:
    """Calls a function on groups of rows, each group in its own thread.

    All groups have the same size, so that one compiled program serves them all: the last group is
    padded with copies of the last row, whose results are dropped. The rows of the function must
    not depend on each other.

    Args:
        groups: the largest number of groups; each has at least one row.
    """

    def __init__(self, groups: int) -> None:
        self._groups = groups
        self._threads = ThreadPoolExecutor(groups, "rows")

    def __call__(
        self, function: Callable[..., np.ndarray], arguments: Mapping[str, np.ndarray]
    ) -> np.ndarray:
        """Calls the function on every group and joins the results.

        Args:
            function: takes the arguments by name, [row, ...] each, and returns [row, ...].
            arguments: the values of all rows by name, [row, ...] each.

        Returns:
            [row, ...], as one call with all rows would.

        Raises:
            Exception: any error of the function.
        """
        rows = len(next(iter(arguments.values())))
        size = -(-rows // self._groups)
        if size == rows:
            return function(**arguments)
        count = -(-rows // size)
        indices = np.minimum(np.arange(count * size), rows - 1).reshape(count, size)
        parts = [{name: value[group] for name, value in arguments.items()} for group in indices]
        results = self._threads.map(lambda part: function(**part), parts)
        return np.concatenate(list(results))[:rows]
