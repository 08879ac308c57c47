"""The changes of controls that no chunk of a stream has yet."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field

from soundstage.graph.control import ControlError


@dataclass(eq=False)
class Change:
    """A change of controls.

    Attributes:
        message: what asks the server for it.
        number: how many changes the stream had with it; None = this connection has no answer yet.
        answer: done when the server has once accepted or refused it.
    """

    message: str
    number: int | None = None
    answer: Future[None] = field(default_factory=Future)


class Changes:
    """The changes that no chunk has yet, in the order in which they were sent.

    The server answers them in this order. After a lost connection all are sent again.
    """

    def __init__(self) -> None:
        self._changes: deque[Change] = deque()

    def add(self, message: str) -> Change:
        """Adds a change that is sent."""
        self._changes.append(change := Change(message))
        return change

    def messages(self) -> Iterator[str]:
        """Yields what is sent again on a new connection."""
        for change in self._changes:
            change.number = None
            yield change.message

    def accept(self, number: int) -> None:
        """Notes that the server has accepted the next one."""
        change = self._next()
        change.number = number
        if not change.answer.done():
            change.answer.set_result(None)

    def refuse(self, reason: str) -> None:
        """Removes the next one, which the server has refused."""
        self._end(self._next(), ControlError(reason))

    def hear(self, number: int) -> None:
        """Removes those that a chunk includes."""
        for change in [one for one in self._changes if (one.number or math.inf) <= number]:
            self._changes.remove(change)

    def drop(self, error: Exception) -> None:
        """Removes those that the server has never answered: they are not made."""
        for change in [one for one in self._changes if not one.answer.done()]:
            self._end(change, error)

    def _next(self) -> Change:
        return next(change for change in self._changes if change.number is None)

    def _end(self, change: Change, error: Exception) -> None:
        self._changes.remove(change)
        if not change.answer.done():
            change.answer.set_exception(error)
