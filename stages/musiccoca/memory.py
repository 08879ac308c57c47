"""Answers of a pure function, kept for the next time: they save time and change nothing."""

import threading
from collections import OrderedDict
from collections.abc import Callable

import numpy as np


class EmbeddingCache:
    """The last answers, by what was asked.

    Args:
        most: how many are kept; the one asked for longest ago goes first.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._answers: OrderedDict[bytes, np.ndarray] = OrderedDict()

    def recall(self, key: bytes, compute: Callable[[], np.ndarray]) -> np.ndarray:
        """The answer to a question, computed when it is not there.

        Args:
            key: the question's content, or a digest of it.
            compute: gives the answer, which depends on nothing else; of two threads that ask the
                same at once, both may compute it.

        Returns:
            The answer, read-only.
        """
        with self._lock:
            if key in self._answers:
                self._answers.move_to_end(key)
                return self._answers[key]
        answer = compute().view()
        answer.flags.writeable = False
        with self._lock:
            self._answers[key] = answer
            self._answers.move_to_end(key)
            while len(self._answers) > self._most:
                self._answers.popitem(last=False)
        return answer
