"""Loads compiled programs while the rest of a command is imported and its stages are built.

Nobody knows which programs a pipeline calls before it calls them. So the names of those that a
command called are kept for the next command with the same pipeline. Loading runs no Python, so
another core can do it during imports. Names that no longer fit cost the time of loading them.

Only a command that is the first of its process does so. Others in that process find in memory what
was loaded before: which programs a new process would load, they cannot tell.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from soundstage.kernels.program_files import keep, read

if TYPE_CHECKING:
    from soundstage.kernels.executables import MachineCode

# Programs on other devices than the first are not loaded ahead.
DEVICE = 0


class LoadedAhead:
    """The compiled programs that are loaded for the first command of a process."""

    def __init__(self) -> None:
        self._pipeline: str | None = None
        # The names of the programs that were called, in order; None = the command has ended.
        self._called: dict[str, None] | None = {}
        self._coming: dict[str, Future[MachineCode | None]] = {}

    def begin(self, pipeline: str) -> None:
        """Begins to load what the last command with a pipeline called.

        Imports JAX, unless there is nothing to load. Does nothing in a process that has begun with
        a pipeline or called programs before.

        Args:
            pipeline: the digest of the pipeline.
        """
        if self._pipeline is not None or self._called != {}:
            return
        self._pipeline = pipeline
        names = (read(_name(pipeline)) or b"").decode().split()
        if not names:
            return
        import jax  # not in the thread: the caller would wait for it at its own imports

        try:
            device = jax.devices("cpu")[DEVICE]
        except RuntimeError:  # the user has turned CPUs off
            return
        coming: dict[str, Future[MachineCode | None]] = {name: Future() for name in names}
        self._coming = dict(coming)
        threading.Thread(target=_load, args=(coming, device)).start()

    def take(self, name: str, device: Any) -> MachineCode | None:
        """Returns a program that was loaded ahead, to its first user; None = it was not.

        Args:
            name: the name of its file.
            device: the device of JAX that it will run on.
        """
        if device.id != DEVICE:
            return None
        if self._called is not None:
            self._called[name] = None
        coming = self._coming.pop(name, None)
        return None if coming is None else coming.result()

    def end(self, pipeline: str) -> None:
        """Keeps the names of the programs that the command has called, for the next `begin`.

        Frees those that were loaded and not called. Does nothing for a pipeline that this process
        did not begin with, and nothing again.

        Args:
            pipeline: the digest of the pipeline.
        """
        if self._pipeline != pipeline or self._called is None:
            return
        names = "\n".join(self._called).encode()
        self._called, self._coming = None, {}
        if names and names != read(_name(pipeline)):
            keep(_name(pipeline), names)


LOADED_AHEAD = LoadedAhead()


def _load(coming: Mapping[str, Future[MachineCode | None]], device: Any) -> None:
    from soundstage.kernels.executables import MachineCode

    for name, future in coming.items():
        content = read(name)
        try:
            future.set_result(None if content is None else MachineCode.load(content, device))
        # Whoever needs the program tries again, and finds out why it cannot be loaded.
        except Exception:
            future.set_result(None)


def _name(pipeline: str) -> str:
    return hashlib.sha256(f"programs of pipeline {pipeline}".encode()).hexdigest()
