"""Signals that end a command: SIGINT (Ctrl-C), SIGTERM, and SIGHUP (the terminal is gone).

Python's own handler raises KeyboardInterrupt wherever the main thread happens to be. Within a
callback of JAX or of the garbage collector the exception is lost, or crashes the process. Here the
handlers do nothing: the interpreter writes each signal to a socket, and a thread reads it, also
while the main thread is inside a C function. That thread ends the process, or, within `orderly`,
wakes the command to end its work.
"""

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
_SIGNALS = tuple(int(getattr(signal, name)) for name in _NAMES if hasattr(signal, name))
# Progress bars hide the cursor of the terminal.
_SHOW_CURSOR = "\x1b[?25h"
_HANGUP = getattr(signal, "SIGHUP", None)


class _Stop:
    """The state of this process: whether it listens, the first signal, and what to do at one.

    Attributes:
        line: what is printed when a signal ends the process; "" = nothing.
        number: the first signal; 0 = none yet.
        guard: held while something is changed that must be whole when the process ends.
        wakers: of the `orderly` blocks that are open, the last one last.
        endings: of the `at_stop` blocks that are open, the last one last.
        temporary: files that are removed however a signal ends the process.
        reload: called at SIGHUP instead of ending the process; None = SIGHUP ends it.
    """

    def __init__(self) -> None:
        self.line = ""
        self.listening = False
        self.number = 0
        self.guard = threading.RLock()
        self.wakers: list[Callable[[], object]] = []
        self.endings: list[Callable[[], object]] = []
        self.temporary: set[Path] = set()
        self.reload: Callable[[], object] | None = None
        self._writer: socket.socket | None = None
        self._terminals: list[int] = []

    def listen(self, line: str) -> None:
        """Installs the handlers, and starts the thread that acts on signals."""
        self.line = line
        if self.listening:
            return
        self.listening = True
        self._terminals = [stream for stream in (0, 1, 2) if os.isatty(stream)]
        reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)
        handle_signals()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=_forget)
        threading.Thread(target=self._read, args=(reader,), name="signals", daemon=True).start()

    def wake_up(self) -> None:
        """Has the interpreter write signals to the socket."""
        if self._writer is not None:
            signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)

    def _read(self, reader: socket.socket) -> None:
        while numbers := reader.recv(64):
            for number in numbers:
                if number in _SIGNALS and signal.getsignal(number) is not signal.SIG_IGN:
                    self._receive(number)

    def _receive(self, number: int) -> None:
        """Acts on one signal: the second one ends the process at once."""
        if number == _HANGUP and self.reload is not None:
            self.reload()
            return
        if number == _HANGUP:
            self._leave_terminal()
        if self.number:
            self.exit()
        self.number = number
        wakers = list(self.wakers)
        if wakers:
            wakers[-1]()
        else:
            threading.Thread(target=self.end, name="ending", daemon=True).start()

    def end(self) -> None:
        """Waits for guarded blocks, runs the endings and ends the process."""
        self.guard.acquire()  # for ever: nothing may be changed from now on
        for ending in reversed(self.endings):
            with suppress(Exception):  # the others are to run as well
                ending()
        if self.line:
            write(self.line + "\n")
        self.exit()

    def _leave_terminal(self) -> None:
        """Replaces standard streams that were terminals: a write to one that is gone would fail."""
        for stream in self._terminals:
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, stream)
            os.close(null)

    def exit(self) -> None:
        """Ends the process at once; the threads of running stages do not hold it up."""
        for path in tuple(self.temporary):
            with suppress(OSError):
                path.unlink()
        if 2 in self._terminals:
            write(_SHOW_CURSOR)
        os._exit(128 + self.number)


_STOP = _Stop()


def listen(line: str = "soundstage: stopped") -> None:
    """Handles SIGINT, SIGTERM and SIGHUP from now to the end of this process.

    To be called in the main thread, before anything heavy is imported. The first signal ends the
    process with the exit code 128 + its number, after the endings of `at_stop`; within `orderly` it
    wakes the command instead. The second signal ends the process at once. A signal that the parent
    process ignores, as `nohup` does, stays ignored.

    Args:
        line: printed on standard error when a signal ends the process; "" = nothing.
    """
    _STOP.listen(line)


def set_last_line(line: str) -> None:
    """Changes the line that is printed when a signal ends the process; "" = nothing."""
    _STOP.line = line


def handle_signals() -> None:
    """Lets `listen` have the signals again after a library, such as Ray or uvloop, took them."""
    if not _STOP.listening or threading.current_thread() is not threading.main_thread():
        return
    _STOP.wake_up()
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _do_nothing)


def is_listening() -> bool:
    """Whether `listen` was called: this process is a command."""
    return _STOP.listening


def is_stopping() -> bool:
    """Whether a signal has arrived."""
    return _STOP.number != 0


def leave_if_stopping() -> None:
    """Ends the process if a signal has arrived, once the endings that it began are done."""
    if _STOP.number:
        with _STOP.guard:
            write(_STOP.line + "\n" if _STOP.line else "")
            _STOP.exit()


def first_signal() -> int:
    """Returns the number of the first signal; 0 = none has arrived."""
    return _STOP.number


def exit_code() -> int:
    """Returns the exit code of a command that was stopped: 130 for Ctrl-C, 143 for SIGTERM."""
    return 128 + (_STOP.number or signal.SIGINT)


@contextmanager
def orderly(wake: Callable[[], object]) -> Iterator[None]:
    """Lets the block end itself at the first signal; without `listen`, does nothing.

    Args:
        wake: called by another thread at the first signal, also at one from before the block; makes
            the block end soon. What the command does after the block is done as well, and then
            `leave_if_stopping` ends the process.
    """
    if not _STOP.listening:
        yield
        return
    with _STOP.guard:  # waits for ever if the process is ending
        _STOP.wakers.append(wake)
    try:
        if _STOP.number:
            wake()
        yield
    finally:
        _STOP.wakers.remove(wake)


@contextmanager
def at_stop(ending: Callable[[], object]) -> Iterator[None]:
    """Has `ending` called if a signal ends the process during the block.

    Args:
        ending: called by another thread, never during a block of `uninterrupted`.
    """
    with _STOP.guard:
        _STOP.endings.append(ending)
    try:
        yield
    finally:
        with _STOP.guard:
            _STOP.endings.remove(ending)


@contextmanager
def at_hangup(reload: Callable[[], object]) -> Iterator[None]:
    """Has `reload` called at each SIGHUP during the block, which then ends nothing.

    Args:
        reload: called by another thread; must not block.
    """
    _STOP.reload = reload
    try:
        yield
    finally:
        _STOP.reload = None


@contextmanager
def temporary(path: Path) -> Iterator[None]:
    """Removes a file at the block's end, and if a signal ends the process during the block."""
    _STOP.temporary.add(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        _STOP.temporary.discard(path)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Delays the end that a first signal brings until the block's end.

    The block must be short and must not wait for another process.
    """
    with _STOP.guard:
        yield


def write(text: str) -> None:
    """Writes to standard error past Python's buffers, whose locks another thread may hold."""
    with suppress(OSError):
        os.write(2, text.encode("utf-8", "replace"))


def _do_nothing(number: int, frame: FrameType | None) -> None:
    pass


def _forget() -> None:
    """Gives a forked process the default handlers: the socket belongs to its parent."""
    signal.set_wakeup_fd(-1)
    _STOP.listening = False
    for number in _SIGNALS:
        if signal.getsignal(number) is _do_nothing:
            signal.signal(number, signal.SIG_DFL)
