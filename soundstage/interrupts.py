"""Ctrl-C and SIGTERM: both raise KeyboardInterrupt, at a moment when a command can clean up."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_STOPS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def sigterm_interrupts() -> Iterator[None]:
    """Makes SIGTERM raise KeyboardInterrupt in the block, as Ctrl-C does."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Delays Ctrl-C and SIGTERM until the block's end.

    libsndfile writes through callbacks, and an exception in a callback is lost: without the delay,
    a Ctrl-C during a write would have no effect. The block must be short and must not wait.

    Raises:
        KeyboardInterrupt: at the block's end, if a signal arrived during the block.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    signals: list[int] = []

    def remember(number: int, frame: FrameType | None) -> None:
        signals.append(number)

    # A signal that is ignored, as in a background job, stays ignored.
    handled = [stop for stop in _STOPS if callable(signal.getsignal(stop))]
    before = {stop: signal.signal(stop, remember) for stop in handled}
    try:
        yield
    finally:
        for stop, handler in before.items():
            signal.signal(stop, handler)
    if signals:
        raise KeyboardInterrupt
