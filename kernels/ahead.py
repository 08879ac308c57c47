"""Loads compiled programs while the rest of a command is imported and its stages are built.

Which programs a command calls is known only once it calls them. So their names are kept for the
next command with the same words. Loading runs no Python, so another core can do it during imports.
Names that no longer fit cost the time of loading them.

Only the first command of a process does so. A later one finds programs in memory that were loaded
before, so its list would lack them or name those of other commands.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from soundstage.kernels.program_files import keep, read

if TYPE_CHECKING:
    from soundstage.kernels.executables import MachineCode

# Programs on other devices than the first are not loaded ahead.
DEVICE = 0


class LoadedAhead:
    """The compiled programs that are loaded for the first command of a process."""

    def __init__(self) -> None:
        # The names of the programs that were called, in order; None = the command has ended.
        self._called: dict[str, None] | None = {}
        self._coming: dict[str, Future[MachineCode | None]] = {}

    @contextmanager
    def command(self, words: str) -> Iterator[None]:
        """Loads what the last command with these words called; keeps the names this one calls.

        Imports JAX, unless there is nothing to load. Does nothing in a process that has run a
        command or called programs before.

        Args:
            words: a text that is another one for commands that call other programs.
        """
        if self._called != {}:
            yield
            return
        name = hashlib.sha256(f"programs of {words}".encode()).hexdigest()
        kept = read(name)
        if kept is not None:
            self._begin(kept.decode().split())
        try:
            yield
        finally:  # music without an end is ended by a signal
            names = "\n".join(self._called).encode()
            # What was loaded and not called is freed.
            self._called, self._coming = None, {}
            if names and names != kept:
                keep(name, names)

    def _begin(self, names: Iterable[str]) -> None:
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
        called = self._called
        if called is not None:
            called[name] = None
        coming = self._coming.pop(name, None)
        return None if coming is None else coming.result()


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
