"""The progress of a run: a bar on a terminal, a line every 20 s elsewhere."""

import time
from collections.abc import Mapping
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from soundstage.training.checkpoint import Position

LINE_EVERY_S = 20.0


class TrainingProgress(Protocol):
    """Shows where a run stands; a context manager around the loop."""

    def show(self, position: Position, share: float, metrics: Mapping[str, float]) -> None:
        """Shows the metrics of the last step.

        Args:
            position: where the run stands.
            share: the share of the budget that is spent, in [0, 1].
            metrics: the values by name.
        """

    def __enter__(self) -> object: ...

    def __exit__(self, *error: object) -> None: ...


class SilentProgress:
    """Shows nothing."""

    def show(self, position: Position, share: float, metrics: Mapping[str, float]) -> None:
        """Does nothing."""

    def __enter__(self) -> "SilentProgress":
        return self

    def __exit__(self, *error: object) -> None:
        return None


class ProgressBar(SilentProgress):
    """Shows the metrics, the speed, the share of the budget that is spent and the time left.

    Speed and time left are known from the second step on: the first compiles.

    Args:
        console: prints the bar and the lines; None = standard error.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._bar = Progress(
            BarColumn(), TextColumn("{task.description}"), console=self._console, transient=True
        )
        self._task = self._bar.add_task("compiling the first step", total=1.0)
        self._last_line = 0.0
        self._before: tuple[int, float] | None = None
        self._first: tuple[float, float] | None = None

    def __enter__(self) -> "ProgressBar":
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def show(self, position: Position, share: float, metrics: Mapping[str, float]) -> None:
        """Moves the bar, or prints a line if the last one is `LINE_EVERY_S` old."""
        text = self._text(position, share, metrics)
        self._bar.update(self._task, completed=share, description=text)
        now = time.monotonic()
        if not self._console.is_terminal and now - self._last_line >= LINE_EVERY_S:
            self._last_line = now
            self._console.print(text, highlight=False, soft_wrap=True)

    def _text(self, position: Position, share: float, metrics: Mapping[str, float]) -> str:
        before, self._before = self._before, (position.step, position.seconds)
        self._first = self._first or (share, position.seconds)
        parts = [f"step {position.step}", f"{position.seconds / 60:.1f} min"]
        if before is not None:
            steps, seconds = position.step - before[0], position.seconds - before[1]
            parts.append(f"{steps / max(seconds, 1e-9):.2f} steps/s")
        spent, since = share - self._first[0], position.seconds - self._first[1]
        if spent > 0:
            parts.append(f"at most {since / spent * (1 - share) / 60:.1f} min left")
        values = [f"{name} {value:.4g}" for name, value in metrics.items()]
        return "  ".join(parts + values)
