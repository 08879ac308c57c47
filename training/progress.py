"""How a run goes, for whoever watches: a bar on a terminal, a line now and then elsewhere."""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar

from soundstage.training.checkpoint import Position

if TYPE_CHECKING:
    from soundstage.training.loop import Budget

LINE_EVERY_S = 20.0


class TrainingProgress(Protocol):
    """Shows where a run stands; a context manager around the loop."""

    def show(self, position: Position, budget: "Budget", metrics: Mapping[str, float]) -> None:
        """Shows the metrics of the step just done."""

    def __enter__(self) -> object: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None: ...


class SilentProgress:
    """Shows nothing."""

    def show(self, position: Position, budget: "Budget", metrics: Mapping[str, float]) -> None:
        """Does nothing."""

    def __enter__(self) -> "SilentProgress":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None


class Shown(SilentProgress):
    """Shows loss, speed and how much of the budget is spent.

    Args:
        console: where to; None = standard error.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._bar = Bar(
            BarColumn(), TextColumn("{task.description}"), console=self._console, transient=True
        )
        self._task = self._bar.add_task("compiling the first step", total=1.0)
        self._last_line = 0.0
        self._before: tuple[int, float] | None = None

    def __enter__(self) -> "Shown":
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def show(self, position: Position, budget: "Budget", metrics: Mapping[str, float]) -> None:
        """Moves the bar, or prints a line if the last one is long ago."""
        text = self._text(position, metrics)
        self._bar.update(self._task, completed=_spent(position, budget), description=text)
        now = time.monotonic()
        if not self._console.is_terminal and now - self._last_line >= LINE_EVERY_S:
            self._last_line = now
            self._console.print(text, highlight=False, soft_wrap=True)

    def _text(self, position: Position, metrics: Mapping[str, float]) -> str:
        steps, seconds = self._before or (position.step, position.seconds)
        self._before = position.step, position.seconds
        rate = (position.step - steps) / max(position.seconds - seconds, 1e-9)
        values = "  ".join(f"{name} {value:.4g}" for name, value in metrics.items())
        minutes = position.seconds / 60
        return f"step {position.step}  {minutes:.1f} min  {rate:.2f} steps/s  {values}"


def _spent(position: Position, budget: "Budget") -> float:
    of_steps = position.step / budget.steps if budget.steps else 0.0
    of_time = position.seconds / 60 / budget.minutes if budget.minutes else 0.0
    return max(of_steps, of_time)
