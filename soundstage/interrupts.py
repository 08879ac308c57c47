"""Ctrl-C and a polite kill: both stop a command at a moment when it can clean up."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_STOPS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stopped_politely() -> Iterator[None]:
    """Makes a polite kill (SIGTERM) raise KeyboardInterrupt in the block, as Ctrl-C does."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Holds Ctrl-C and a polite kill back until the block's end.

    libsndfile writes through callbacks, and an exception that rises in one is lost: without this,
    Ctrl-C at a wrong moment would do nothing. The block must be short and must not wait for
    anybody.

    Raises:
        KeyboardInterrupt: at the block's end, if it was asked for meanwhile.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    asked: list[int] = []

    def remember(number: int, frame: FrameType | None) -> None:
        asked.append(number)

    # What is ignored, as in a background job, stays ignored.
    heard = [stop for stop in _STOPS if callable(signal.getsignal(stop))]
    before = {stop: signal.signal(stop, remember) for stop in heard}
    try:
        yield
    finally:
        for stop, handler in before.items():
            signal.signal(stop, handler)
    if asked:
        raise KeyboardInterrupt
