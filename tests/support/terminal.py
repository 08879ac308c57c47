"""A command on a pseudo-terminal, for a test to read and to type on."""

import fcntl
import os
import pty
import struct
import subprocess
import termios
import threading
import time

import pyte

TIMEOUT_S = 60
ROWS, COLUMNS = 30, 100


class Terminal:
    """A command on a pseudo-terminal.

    Attributes:
        process: the command.
        raw: every byte of its output.
    """

    def __init__(self, command, **settings):
        self.raw = b""
        self._master, self._slave = pty.openpty()
        size = struct.pack("HHHH", ROWS, COLUMNS, 0, 0)
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, size)
        self._before = termios.tcgetattr(self._slave)
        self._screen = pyte.Screen(COLUMNS, ROWS)
        self._stream = pyte.ByteStream(self._screen)
        self._lock = threading.Lock()
        environment = os.environ | {"TERM": "xterm-256color", "COLORTERM": ""}
        for size_of_another in ("COLUMNS", "LINES"):  # of the terminal of the tests
            environment.pop(size_of_another, None)
        self.process = subprocess.Popen(
            command,
            stdin=self._slave,
            stdout=self._slave,
            stderr=self._slave,
            env=environment | settings.pop("env", {}),
            start_new_session=True,
            **settings,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        while True:
            try:
                data = os.read(self._master, 65536)
            except OSError:
                return
            with self._lock:
                self.raw += data
                self._stream.feed(data)

    @property
    def text(self):
        with self._lock:
            return "\n".join(line.rstrip() for line in self._screen.display)

    def line(self, start):
        """Returns the rest of the line that begins with `start`, selected or not; else None."""
        for line in self.text.splitlines():
            content = line.strip().removeprefix("▸ ")
            if content.startswith(start):
                return content.removeprefix(start).strip()
        return None

    def type(self, keys):
        os.write(self._master, keys.encode())

    def wait_for(self, what, about=""):
        """Waits until the screen shows the text `what`, or the function `what` returns True."""
        shows = what if callable(what) else lambda: what in self.text
        deadline = time.monotonic() + TIMEOUT_S
        while not shows():
            assert self.process.poll() is None or shows(), f"the command has ended:\n{self.text}"
            assert time.monotonic() < deadline, f"no {about or what!r} in:\n{self.text}"
            time.sleep(0.02)

    def end(self):
        """Waits for the end of the command and of its output; returns the exit code."""
        code = self.process.wait(timeout=TIMEOUT_S)
        # The reader may not have all output yet.
        deadline = time.monotonic() + 1.0
        size = -1
        while size != len(self.raw) and time.monotonic() < deadline:
            size = len(self.raw)
            time.sleep(0.05)
        return code

    @property
    def is_sane(self):
        """Whether the terminal has its old settings, the main screen and a visible cursor."""
        alternate = self.raw.rfind(b"\x1b[?1049h") > self.raw.rfind(b"\x1b[?1049l")
        hidden = self.raw.rfind(b"\x1b[?25l") > self.raw.rfind(b"\x1b[?25h")
        return termios.tcgetattr(self._slave) == self._before and not alternate and not hidden

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._slave)
        os.close(self._master)
