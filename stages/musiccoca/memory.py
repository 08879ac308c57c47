"""A cache of embeddings, which saves time and changes no result."""

import threading
from collections import OrderedDict
from collections.abc import Callable

import numpy as np


class EmbeddingCache:
    """The most recently used results of a pure function, by key; safe to use from several threads.

    Args:
        capacity: how many results to keep; the least recently used is dropped first.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._lock = threading.Lock()
        self._results: OrderedDict[bytes, np.ndarray] = OrderedDict()

    def get(self, key: bytes, compute: Callable[[], np.ndarray]) -> np.ndarray:
        """Returns the cached result of a key, or computes and caches it.

        Args:
            key: identifies the function's argument.
            compute: returns the result, which depends on the key alone. Two threads with the same
                key may both call it.

        Returns:
            The result, read-only.
        """
        with self._lock:
            if key in self._results:
                self._results.move_to_end(key)
                return self._results[key]
        result = compute().view()
        result.flags.writeable = False
        with self._lock:
            self._results[key] = result
            self._results.move_to_end(key)
            while len(self._results) > self._capacity:
                self._results.popitem(last=False)
        return result
