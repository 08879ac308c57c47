"""The lifetime of sessions and runners: they end with `close`, and do not survive a fork.

JAX and the runners work with threads. A fork copies the memory of a process but none of its other
threads, so the copy would wait for them for ever.
"""

from __future__ import annotations

import os
import sys
from typing import ClassVar

from soundstage.errors import Error

_CURE = (
    "start processes with multiprocessing.get_context('spawn'), and open the session in the new "
    "process"
)


class SessionClosed(Error, RuntimeError):
    """A session or a runner is used after its `close`."""

    exit_code: ClassVar[int] = 2


class ForkedProcess(Error, RuntimeError):
    """A forked process uses what needs the threads of its parent."""

    exit_code: ClassVar[int] = 2


class Lifetime:
    """Whether a session or a runner can be used.

    Attributes:
        closed: whether it was closed.
    """

    def __init__(self, what: str) -> None:
        """Begins the lifetime, in this process.

        Args:
            what: "session" or "runner", for errors.
        """
        self.closed = False
        self._what = what
        self._process_id = os.getpid()

    @property
    def forked(self) -> bool:
        """Whether this process is a fork of the one that opened it."""
        return os.getpid() != self._process_id

    def check(self) -> None:
        """Refuses a use.

        Raises:
            SessionClosed: it was closed.
            ForkedProcess: this process is a fork of the one that opened it.
        """
        if self.forked:
            raise ForkedProcess(
                f"this {self._what} was opened before the process was forked, and its threads are "
                f"in the parent: {_CURE}"
            )
        if self.closed:
            raise SessionClosed(
                f"this {self._what} is closed: open another one, such as with soundstage.open or "
                "soundstage.resume"
            )


class _Forks:
    """Whether a parent of this process had started JAX before it forked this process."""

    def __init__(self) -> None:
        self.with_jax = False

    def begin(self) -> None:
        """Called in a new fork."""
        self.with_jax = self.with_jax or _jax_has_started()


_FORKS = _Forks()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_FORKS.begin)


def check_not_forked() -> None:
    """Refuses to start JAX in a process that was forked from one with JAX.

    Raises:
        ForkedProcess: this is such a process.
    """
    if _FORKS.with_jax:
        raise ForkedProcess(
            "this process was forked from one in which JAX had started, and JAX's threads are in "
            f"the parent: {_CURE}"
        )


def _jax_has_started() -> bool:
    """Whether JAX has devices, and threads for them."""
    bridge = sys.modules.get("jax._src.xla_bridge")
    started = getattr(bridge, "backends_are_initialized", None)
    return started is not None and bool(started())
