"""What clients may cost: bytes in transfer, requests that wait, and time of the event loop.

Each budget is one of the whole server, or one for each connection. A request beyond it is refused
with a reason; a connection whose messages cost too much time is closed with one.
"""

from __future__ import annotations

import time
from collections.abc import Coroutine, Generator, Iterator
from contextlib import contextmanager
from types import coroutine
from typing import Any, TypeVar

from soundstage.runners.engine.refusals import Full

RETRY_AFTER_S = 5.0
# The time over which `LoopTime` allows its share of a processor to be used at once.
WINDOW_S = 10.0

T = TypeVar("T")


class Amount:
    """A limited amount of something that requests hold for a while.

    Args:
        most: the amount that may be held at once.
        unit: such as "MB of uploads", for refusals.
        scale: how much of the amount is one unit.
    """

    def __init__(self, most: float, unit: str, scale: float = 1.0) -> None:
        self._most, self._unit, self._scale = most, unit, scale
        self.held = 0.0

    def take(self, amount: float) -> None:
        """Takes some of it, until `give`.

        Raises:
            Full: too much of it is held.
        """
        if self.held + amount > self._most:
            held, most = self.held / self._scale, self._most / self._scale
            raise Full(
                f"the server is busy with {held:.4g} {self._unit}, and {most:.4g} are the limit",
                RETRY_AFTER_S,
            )
        self.held += amount

    def give(self, amount: float) -> None:
        """Gives back what `take` took."""
        self.held -= amount

    @contextmanager
    def holding(self, amount: float) -> Iterator[None]:
        """Holds some of it.

        Raises:
            Full: too much of it is held.
        """
        self.take(amount)
        try:
            yield
        finally:
            self.give(amount)


class LoopTime:
    """The processor time of the event loop that messages may take.

    It is the thread's own processor time, which other work on the machine does not lengthen.

    Args:
        share: the part of a processor that may be used in the long run, 0 to 1; at once, as much as
            that is in `WINDOW_S` seconds.
        server: the budget of the whole server, which counts the same time; None = this is it.
    """

    def __init__(self, share: float, server: LoopTime | None = None) -> None:
        self._share, self._server = share, server
        self._used_s, self._at_s = 0.0, time.monotonic()

    @property
    def used_s(self) -> float:
        """The time that was used and has not become free again, in seconds."""
        now_s = time.monotonic()
        self._used_s = max(0.0, self._used_s - self._share * (now_s - self._at_s))
        self._at_s = now_s
        return self._used_s

    @property
    def most_s(self) -> float:
        """The time that may be used at once, in seconds."""
        return self._share * WINDOW_S

    def add(self, seconds: float) -> None:
        """Counts time that was used."""
        self._used_s = self.used_s + seconds
        if self._server is not None:
            self._server.add(seconds)

    @property
    def problem(self) -> str:
        """Why the connection has to be closed; "" = it has not.

        If the whole server's budget is used up, connections that used more than a tenth of their
        own are closed, and no others.
        """
        if self.used_s > self.most_s:
            return f"its messages took {self.used_s:.1f} s of the server's time in {WINDOW_S:g} s"
        server = self._server
        if server is None or server.used_s <= server.most_s or self.used_s < self.most_s / 10:
            return ""
        return "the messages of all clients take too much of the server's time: send fewer"


@coroutine
def timed(work: Coroutine[Any, Any, T], loop_time: LoopTime) -> Generator[Any, Any, T]:
    """Awaits a coroutine and counts the processor time of its steps, without its waiting."""
    value, error = None, None
    while True:
        start_s = time.thread_time()
        try:
            future = work.send(value) if error is None else work.throw(error)
        except StopIteration as stop:
            result: T = stop.value
            return result
        finally:
            loop_time.add(time.thread_time() - start_s)
        value, error = None, None
        try:
            value = yield future
        except BaseException as raised:
            error = raised
