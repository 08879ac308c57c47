"""The training loop of every network: batches by number, budgets, checkpoints, signals."""

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

import jax

from soundstage.errors import Error
from soundstage.interrupts import is_listening, orderly
from soundstage.training.checkpoint import CHECKPOINTS_FOLDER, Position, restore_latest, save
from soundstage.training.metrics import MetricsFile
from soundstage.training.prefetch import prefetched
from soundstage.training.progress import TrainingProgress

S = TypeVar("S")
B = TypeVar("B")
Step = Callable[[S, B], tuple[S, Mapping[str, Any]]]


class TrainingError(Error):
    """Training cannot go on; the message says at which step and why."""


@dataclass(frozen=True)
class Budget:
    """When a run stops, and how often it saves and logs.

    Attributes:
        steps: most steps of the run, those before a resumption included; None = no limit.
        minutes: most minutes of training, counted alike; None = no limit.
        checkpoint_s: seconds between checkpoints.
        log_steps: steps between rows of the metrics file.
        pause: the step at which `train` returns before the budget is spent, for a validation; None
            = it does not.

    Raises:
        ValueError: there is no limit, or a value is not above 0.
    """

    steps: int | None = None
    minutes: float | None = None
    checkpoint_s: float = 60.0
    log_steps: int = 10
    pause: int | None = None

    def __post_init__(self) -> None:
        if self.steps is None and self.minutes is None:
            raise ValueError("give a number of steps or of minutes, or both")
        values = (self.steps, self.minutes, self.checkpoint_s, self.log_steps)
        if any(value is not None and value <= 0 for value in values):
            raise ValueError("steps, minutes, checkpoint_s and log_steps must be above 0")

    def spent(self, position: Position) -> bool:
        """Returns whether a run at this position has used up its steps or its minutes."""
        return (self.steps is not None and position.step >= self.steps) or (
            self.minutes is not None and position.seconds >= 60 * self.minutes
        )

    def pauses(self, position: Position) -> bool:
        """Returns whether `train` returns at this position."""
        return self.spent(position) or (self.pause is not None and position.step >= self.pause)

    def share(self, position: Position) -> float:
        """Returns the share of the budget that is spent at a position."""
        of_steps = position.step / self.steps if self.steps else 0.0
        of_time = position.seconds / 60 / self.minutes if self.minutes else 0.0
        return min(max(of_steps, of_time), 1.0)


def train(
    state: S,
    step: Step,
    batches: Callable[[int], B],
    budget: Budget,
    run: Path,
    *,
    seed: int,
    progress: TrainingProgress,
) -> tuple[S, Position]:
    """Trains from the run's last checkpoint until the budget pauses or is spent, or a signal.

    SIGINT and SIGTERM end the loop after the current step, with a checkpoint. A run killed at
    any other moment resumes from its last checkpoint and gives the same bytes as an uninterrupted
    one.

    Args:
        state: the whole state before step 0, a tree of arrays; checkpoints hold the same tree.
        step: takes a state and a batch; returns the next state and scalars to log, "loss" among
            them. It may donate the old state's buffers.
        batches: makes the batch of a step from its number (and the seed) alone; called in a
            thread, one call at a time.
        budget: when to stop.
        run: the run's folder, with `metrics.csv` and `checkpoints/`; made if absent.
        seed: the seed of `batches`; a run is only resumed with the seed it was started with.
        progress: shows the metrics.

    Returns:
        The last state, and where the run stands.

    Raises:
        TrainingError: a metric is not finite, or the run was started with another seed.
        CheckpointError: the last checkpoint cannot be used.
        OSError: the run folder cannot be written.
    """
    run.mkdir(parents=True, exist_ok=True)
    state, position = _resumed(state, run, seed)
    with (
        closing(MetricsFile(run / "metrics.csv", position.metrics_bytes)) as metrics,
        closing(prefetched(batches, position.step)) as upcoming,
        _stop_signals() as stop,
        progress,
    ):
        loop = _Loop(position, budget, run, metrics, progress)
        while not (budget.pauses(loop.position) or stop.is_set()):
            state, scalars = step(state, next(upcoming))
            loop.after_step(state, scalars)
        loop.checkpoint(state)
    return state, loop.position


def _resumed(state: S, run: Path, seed: int) -> tuple[S, Position]:
    restored = restore_latest(run / CHECKPOINTS_FOLDER, state)
    state, position = restored or (state, Position(0, seed))
    if position.seed != seed:
        raise TrainingError(
            f"{run} was started with seed {position.seed}, not {seed}: give that seed, or another "
            "run folder"
        )
    return state, position


class _Loop:
    """The bookkeeping between two steps: the clock, metrics and checkpoints."""

    def __init__(
        self,
        position: Position,
        budget: Budget,
        run: Path,
        metrics: MetricsFile,
        progress: TrainingProgress,
    ) -> None:
        self.position = position
        self._budget, self._folder = budget, run / CHECKPOINTS_FOLDER
        self._metrics, self._progress = metrics, progress
        self._scalars: Mapping[str, Any] = {}
        self._last_clock = self._last_save = time.monotonic()
        self._saved_step = position.step if position.step else -1

    def after_step(self, state: Any, scalars: Mapping[str, Any]) -> None:
        """Counts a step; logs it and saves a checkpoint when they are due."""
        done, self._scalars = self.position.step, scalars
        logged = done % self._budget.log_steps == 0
        metrics = self._finite_metrics() if logged else {}  # waits until the step is computed
        now = time.monotonic()
        seconds = self.position.seconds + now - self._last_clock
        self.position = replace(self.position, step=done + 1, seconds=seconds)
        self._last_clock = now
        if logged:
            self._metrics.append(done, seconds, metrics)
            self._progress.show(self.position, self._budget.share(self.position), metrics)
        if now - self._last_save >= self._budget.checkpoint_s:
            self.checkpoint(state)

    def checkpoint(self, state: Any) -> None:
        """Saves the state unless it is saved already.

        Raises:
            TrainingError: a metric of the last step is not finite.
        """
        if self._saved_step == self.position.step:
            return
        self._finite_metrics()
        self.position = replace(self.position, metrics_bytes=self._metrics.flushed_bytes())
        save(self._folder, state, self.position)
        self._saved_step, self._last_save = self.position.step, time.monotonic()

    def _finite_metrics(self) -> dict[str, float]:
        """Returns the last step's metrics.

        Raises:
            TrainingError: one is not finite.
        """
        metrics = {name: float(value) for name, value in jax.device_get(self._scalars).items()}
        broken = [name for name, value in metrics.items() if not math.isfinite(value)]
        if broken:
            raise TrainingError(
                f"step {self.position.step}: {', '.join(broken)} not finite; the last checkpoint "
                "is valid: resume from it with a lower learning rate, or look at the batch"
            )
        return metrics


@contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """Yields an event that signals set.

    In a program that is no command of soundstage's, these are SIGINT and SIGTERM, and only the main
    thread can get them.
    """
    stop = threading.Event()
    if is_listening():
        with orderly(stop.set):
            yield stop
        return
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def handle(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    old = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
