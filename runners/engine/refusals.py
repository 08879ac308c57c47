"""The errors with which an engine refuses a request or ends a stream."""

from __future__ import annotations

from soundstage.errors import Error
from soundstage.graph.control import ControlError

# When a refused client should ask again, if nothing tells when a slot is likely to be free.
RETRY_AFTER_S = 10.0


class Full(Error):
    """No more streams fit: according to the measurement, others would be late.

    Attributes:
        reason: which limit is reached, in one line.
        retry_after_s: when to ask again, in seconds from now.
        measured: whether the measurement of the machine is the limit.
    """

    def __init__(self, reason: str, retry_after_s: float, measured: bool = False):
        self.reason = reason
        self.retry_after_s = retry_after_s
        self.measured = measured
        super().__init__(f"full: {reason}; ask again in {retry_after_s:g} s")


class ControlRefused(ControlError):
    """A control is unknown, does not fit its port or is refused by a stage; nothing has changed.

    Attributes:
        reason: which control, and what would fit, in one line.
    """

    def __init__(self, reason: str):
        self.reason = reason
        super().__init__(reason)


class StreamFailed(Error, RuntimeError):
    """A stream ended because a stage failed for its row; other streams go on.

    Attributes:
        reason: which stage, at which chunk, and what happened, in one line.
    """

    exit_code = 7

    def __init__(self, reason: str):
        self.reason = reason
        super().__init__(reason)


class StreamEnded(Error, RuntimeError):
    """A method was called that needs an open stream, and the stream is closed."""


class EngineLost(Error, RuntimeError):
    """The process of an engine died or hangs; its streams go on elsewhere, to the same bytes.

    Attributes:
        reason: what happened, in one line.
    """

    exit_code = 7

    def __init__(self, reason: str):
        self.reason = reason
        super().__init__(reason)
