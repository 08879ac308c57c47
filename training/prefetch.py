"""Batches made in a thread while the previous step computes."""

from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

B = TypeVar("B")


def prefetched(
    batches: Callable[[int], B], first_step: int, ahead: int = 2
) -> Generator[B, None, None]:
    """Yields `batches(first_step)`, `batches(first_step + 1)`, ... without end.

    Args:
        batches: makes the batch of a step from the step's number alone.
        first_step: the first step's number.
        ahead: how many batches are made in advance.

    Raises:
        Exception: whatever `batches` raises, when that batch is due.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="batches") as pool:
        waiting: deque[Future[B]] = deque(
            pool.submit(batches, first_step + step) for step in range(ahead)
        )
        step = first_step + ahead
        try:
            while True:
                waiting.append(pool.submit(batches, step))
                step += 1
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
