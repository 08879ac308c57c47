"""Progress of commands on standard error: a bar on a terminal, else a line every few seconds."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Protocol

from soundstage.standard_streams import print_message

if TYPE_CHECKING:
    from rich.console import Console

# Called with the seconds of audio made so far, and with the speed as a multiple of real time.
Update = Callable[[float, float], None]
# Called with the number of bytes transferred so far.
Moved = Callable[[int], None]

# Without a terminal, a step that takes less time than this is not printed.
PATIENCE_S = 3.0
LINE_EVERY_S = 5.0


class Progress(Protocol):
    """The progress of a command, on standard error: standard output may be audio."""

    def say(self, line: str) -> None:
        """Prints a line."""
        ...

    def step(self, what: str) -> AbstractContextManager[None]:
        """Shows `what` while the block runs."""
        ...

    def playing(self, total_s: float) -> AbstractContextManager[Update]:
        """Shows how many of `total_s` seconds of audio are made while the block runs."""
        ...

    def moving(self, what: str, total_bytes: int) -> AbstractContextManager[Moved]:
        """Shows how many of `total_bytes` bytes are transferred while the block runs."""
        ...


def open_progress(quiet: bool) -> Progress:
    """Returns the progress that fits standard error: none, a live bar or plain lines."""
    if quiet:
        return Silent()
    if not sys.stderr.isatty():
        return Lines()
    from rich.console import Console  # late: most commands draw nothing

    console = Console(stderr=True)
    return Lines() if console.is_dumb_terminal else Live(console)


class Silent:
    """A progress that shows nothing."""

    def say(self, line: str) -> None:
        """Shows nothing."""

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Shows nothing."""
        yield

    @contextmanager
    def playing(self, total_s: float) -> Iterator[Update]:
        """Shows nothing."""
        yield lambda done_s, speed: None

    @contextmanager
    def moving(self, what: str, total_bytes: int) -> Iterator[Moved]:
        """Shows nothing."""
        yield lambda done_bytes: None


class Lines:
    """A progress of plain lines, for steps of more than `PATIENCE_S` seconds."""

    def say(self, line: str) -> None:
        """Prints the line."""
        print_message(line)

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Prints `what` if the block takes more than `PATIENCE_S` seconds."""
        timer = threading.Timer(PATIENCE_S, self.say, [f"{what} ..."])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    @contextmanager
    def playing(self, total_s: float) -> Iterator[Update]:
        """Prints a line every `LINE_EVERY_S` seconds."""
        last = time.monotonic()

        def update(done_s: float, speed: float) -> None:
            nonlocal last
            if time.monotonic() - last >= LINE_EVERY_S:
                last = time.monotonic()
                self.say(f"{done_s:.1f} of {total_s:.1f} s, {speed:.2f} x real time")

        with self.step(f"making {total_s:.1f} s of audio"):
            yield update

    @contextmanager
    def moving(self, what: str, total_bytes: int) -> Iterator[Moved]:
        """Prints a line every `LINE_EVERY_S` seconds."""
        last = time.monotonic()

        def update(done_bytes: int) -> None:
            nonlocal last
            if time.monotonic() - last >= LINE_EVERY_S:
                last = time.monotonic()
                self.say(f"{what}: {done_bytes / 1e6:.0f} of {total_bytes / 1e6:.0f} MB")

        with self.step(f"{what}: {total_bytes / 1e6:.0f} MB"):
            yield update


class Live:
    """A progress of spinners and bars, which disappear when they end."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def say(self, line: str) -> None:
        """Prints the line above the spinner or the bar."""
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Shows a spinner."""
        with self._console.status(what):
            yield

    @contextmanager
    def playing(self, total_s: float) -> Iterator[Update]:
        """Shows a bar."""
        from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bar

        text = TextColumn("{task.description}")
        columns = (SpinnerColumn(), text, BarColumn(), TimeElapsedColumn())
        with Bar(*columns, console=self._console, transient=True) as bar:
            task = bar.add_task(f"0.0 of {total_s:.1f} s", total=total_s)

            def update(done_s: float, speed: float) -> None:
                description = f"{done_s:.1f} of {total_s:.1f} s, {speed:.2f} x real time"
                bar.update(task, completed=done_s, description=description)

            yield update

    @contextmanager
    def moving(self, what: str, total_bytes: int) -> Iterator[Moved]:
        """Shows a bar."""
        from rich import progress as bars

        text = bars.TextColumn("{task.description}")
        columns = (text, bars.BarColumn(), bars.DownloadColumn(), bars.TransferSpeedColumn())
        left = bars.TimeRemainingColumn()
        with bars.Progress(*columns, left, console=self._console, transient=True) as bar:
            task = bar.add_task(what, total=total_bytes)
            yield lambda done_bytes: bar.update(task, completed=done_bytes)
