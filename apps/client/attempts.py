"""How often and how long a client tries again."""

from __future__ import annotations

import threading
import time

from soundstage.errors import ServerError

# The wait after every server was tried once; it doubles with each round.
FIRST_WAIT_S, LONGEST_WAIT_S = 0.1, 5.0


class Lost(Exception):
    """A server cannot be reached, or has no slot, or the connection is lost: may be tried again.

    Attributes:
        reason: what happened, in one line.
        retry_after_s: when the server asks to be tried again; 0 = it has not said so.
    """

    def __init__(self, reason: str, retry_after_s: float = 0.0) -> None:
        super().__init__(reason)
        self.reason, self.retry_after_s = reason, retry_after_s


class Attempts:
    """The attempts to get music, from the first that fails to one that succeeds.

    Args:
        give_up_s: how long they may last.
        servers: how many servers are tried in turn; the client waits after each round of them.
    """

    def __init__(self, give_up_s: float, servers: int) -> None:
        self._give_up_s, self._servers = give_up_s, servers
        self._failed, self._until_s = 0, 0.0
        self._stopped = threading.Event()

    def succeed(self) -> None:
        """Notes that an attempt has succeeded."""
        self._failed = 0

    def fail(self, lost: Lost) -> None:
        """Notes that an attempt has failed, and waits until the next one.

        Raises:
            ServerError: the time for attempts is over.
        """
        now_s = time.monotonic()
        if not self._failed:
            self._until_s = now_s + self._give_up_s
        if now_s >= self._until_s:
            self._failed = 0
            raise ServerError(f"{lost.reason}; gave up after {self._give_up_s:g} s")
        self._failed += 1
        rounds, rest = divmod(self._failed, self._servers)
        if not rest:
            wait_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(rounds - 1, 30))
            wait_s = max(wait_s, lost.retry_after_s)
            self._stopped.wait(min(wait_s, self._until_s - now_s))

    def stop(self) -> None:
        """Ends all waits."""
        self._stopped.set()
