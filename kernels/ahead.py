"""Loads compiled programs while the rest of a command is imported and its stages are built.

Nobody knows which programs a pipeline calls before it calls them. So the names of those that a
command called are kept for the next command with the same pipeline. Loading runs no Python, so
another core can do it during imports. Names that no longer fit cost the time of loading them.
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
    """The compiled programs that a process has used, and those that are being loaded for it."""

    def __init__(self) -> None:
        self._used: dict[str, None] = {}
        self._coming: dict[str, Future[MachineCode | None]] = {}

    def begin(self, pipeline: str) -> None:
        """Begins to load what the last command with a pipeline used.

        Imports JAX, unless there is nothing to load.

        Args:
            pipeline: the digest of the pipeline.
        """
        kept = (read(_name(pipeline)) or b"").decode().split()
        names = [name for name in kept if name not in self._used]
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
        self._used[name] = None
        coming = self._coming.pop(name, None)
        return None if coming is None else coming.result()

    def keep(self, pipeline: str) -> None:
        """Keeps the names of the programs that this process has used, for `begin`."""
        names = "\n".join(self._used).encode()
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
