"""Threads that run one program side by side, each on a part of every layer.

A thread computes whole outputs, so the results do not depend on the number of threads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from soundstage.kernels.compiled import compiled
from soundstage.kernels.vectors import count_up, counted, leave_core

# Looks at the others' counter before a thread that waits leaves its core, about 10 us.
LOOKS = 4000


class Member(NamedTuple):
    """A thread of a team.

    Attributes:
        place: which one.
        size: threads of the team.
        arrivals: int64 [1], shared; how often a thread has come to a meeting.
    """

    place: int
    size: int
    arrivals: np.ndarray


@compiled
def meet(member: Any) -> None:
    """Waits until all threads of the team are here; each then sees what the others have written."""
    if member.size > 1:
        goal = (count_up(member.arrivals) // member.size + 1) * member.size
        looks = 0
        while counted(member.arrivals) < goal:
            looks += 1
            if looks > LOOKS:
                leave_core()


@compiled
def share(member: Any, parts: int) -> tuple[int, int]:
    """Returns the first part of this thread and one more than its last."""
    return parts * member.place // member.size, parts * (member.place + 1) // member.size


@compiled
def alone() -> Any:
    """Returns the member of a team of one."""
    return Member(0, 1, np.zeros(1, np.int64))


class Team:
    """Runs compiled functions on several threads; one call at a time, the next ones wait.

    Args:
        count: threads, the caller's among them.
    """

    def __init__(self, count: int) -> None:
        self._count, self._lock = count, threading.Lock()
        self._threads = ThreadPoolExecutor(max(count - 1, 1), "team")

    def __call__(self, function: Callable[[Member], None]) -> None:
        """Calls a function once a thread, with its place in the team."""
        arrivals = np.zeros(1, np.int64)
        with self._lock:
            others = [
                self._threads.submit(function, Member(index, self._count, arrivals))
                for index in range(1, self._count)
            ]
            function(Member(0, self._count, arrivals))
            for other in others:
                other.result()
