"""The loop of every training: batches by number, budgets, checkpoints, resumption, signals."""

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
from soundstage.training.checkpoint import Position, restore_latest, save
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
    """When to stop, and what to do on the way.

    Attributes:
        steps: stop when the run has done so many, those before a resumption included; None = no
            limit.
        minutes: stop when the run has trained so long, likewise.
        checkpoint_s: seconds between checkpoints.
        log_steps: steps between rows of the metrics file.

    Raises:
        ValueError: there is no limit, or a value is not above 0.
    """

    steps: int | None = None
    minutes: float | None = None
    checkpoint_s: float = 60.0
    log_steps: int = 10

    def __post_init__(self) -> None:
        if self.steps is None and self.minutes is None:
            raise ValueError("give a number of steps or of minutes, or both")
        values = (self.steps, self.minutes, self.checkpoint_s, self.log_steps)
        if any(value is not None and value <= 0 for value in values):
            raise ValueError("steps, minutes, checkpoint_s and log_steps must be above 0")

    def spent(self, position: Position) -> bool:
        """Whether a run that stands there must stop."""
        return (self.steps is not None and position.step >= self.steps) or (
            self.minutes is not None and position.seconds >= 60 * self.minutes
        )


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
    """Trains until the budget is spent or a signal asks to stop, from where the run folder stands.

    SIGINT and SIGTERM end the loop after the step under way, with a checkpoint. A run killed at
    any other moment goes on from its last checkpoint and gives the same bytes as one unbroken.

    Args:
        state: a tree of arrays before step 0, all of it: it is what checkpoints hold.
        step: takes a state and a batch, gives the next state and scalars to log, "loss" among
            them. It may give the old state's buffers back.
        batches: makes the batch of a step from its number (and the seed) alone; called in a
            thread, one call at a time.
        budget: when to stop.
        run: the run's folder, with `metrics.csv` and `checkpoints/`; made if absent.
        seed: what `batches` uses; a run is only resumed with the seed it was started with.
        progress: shows how it goes.

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
        _asked_to_stop() as stop,
        progress,
    ):
        loop = _Loop(position, budget, run, metrics, progress)
        while not (budget.spent(loop.position) or stop.is_set()):
            state, scalars = step(state, next(upcoming))
            loop.after_step(state, scalars)
        loop.checkpoint(state)
    return state, loop.position


def _resumed(state: S, run: Path, seed: int) -> tuple[S, Position]:
    state, position = restore_latest(run / "checkpoints", state) or (state, Position(0, seed))
    if position.seed != seed:
        raise TrainingError(
            f"{run} was started with seed {position.seed}: resume it with that, or give seed "
            f"{seed} another run folder"
        )
    return state, position


class _Loop:
    """What happens between steps: clocks, metrics, checkpoints."""

    def __init__(
        self,
        position: Position,
        budget: Budget,
        run: Path,
        metrics: MetricsFile,
        progress: TrainingProgress,
    ) -> None:
        self.position = position
        self._budget, self._folder = budget, run / "checkpoints"
        self._metrics, self._progress = metrics, progress
        self._scalars: Mapping[str, Any] = {}
        self._last_clock = self._last_save = time.monotonic()
        self._saved_step = position.step if position.step else -1

    def after_step(self, state: Any, scalars: Mapping[str, Any]) -> None:
        """Counts a step; logs it and keeps a checkpoint where one is due."""
        done, self._scalars = self.position.step, scalars
        logged = done % self._budget.log_steps == 0
        found = self._checked() if logged else {}  # waits for the step to be computed
        now = time.monotonic()
        seconds = self.position.seconds + now - self._last_clock
        self.position = replace(self.position, step=done + 1, seconds=seconds)
        self._last_clock = now
        if logged:
            self._metrics.append(done, seconds, found)
            self._progress.show(self.position, self._budget, found)
        if now - self._last_save >= self._budget.checkpoint_s:
            self.checkpoint(state)

    def checkpoint(self, state: Any) -> None:
        """Saves the state, unless it is saved already or not worth keeping."""
        if self._saved_step == self.position.step:
            return
        self._checked()
        self.position = replace(self.position, metrics_bytes=self._metrics.flushed_bytes())
        save(self._folder, state, self.position)
        self._saved_step, self._last_save = self.position.step, time.monotonic()

    def _checked(self) -> dict[str, float]:
        """The last step's metrics.

        Raises:
            TrainingError: one is not finite.
        """
        found = {name: float(value) for name, value in jax.device_get(self._scalars).items()}
        broken = [name for name, value in found.items() if not math.isfinite(value)]
        if broken:
            raise TrainingError(
                f"step {self.position.step}: {', '.join(broken)} not finite; the last checkpoint "
                "is sound: resume from it with a lower learning rate, or look at the batch"
            )
        return found


@contextmanager
def _asked_to_stop() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set; in another thread than the main one, nobody sets it."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def ask(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
