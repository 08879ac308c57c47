"""A run: train, check against held-out pieces, keep the best, stop in time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from flax import nnx

from soundstage.graph.format import Format
from soundstage.training.checkpoint import (
    CheckpointError,
    Position,
    checkpoints,
    restore_latest,
    save,
)
from soundstage.training.depthformer.examples import ExampleParams, Examples
from soundstage.training.depthformer.initial_weights import Start
from soundstage.training.depthformer.objective import make_loss
from soundstage.training.depthformer.validation import (
    Checker,
    Validation,
    best_of,
    lost_patience,
    read_validations,
    write_validations,
)
from soundstage.training.loop import Budget, train
from soundstage.training.optimizer import OptimizerParams, TrainState, make_step, start
from soundstage.training.progress import TrainingProgress
from soundstage.training.tokens.record import PieceTokens

CHECKS_FILE, BEST_FOLDER = "validation.csv", "best"


@dataclass(frozen=True)
class FitParams:
    """How a run goes.

    Attributes:
        examples: how examples are drawn.
        optimizer: how weights are updated.
        finest_weight: how much the finest level counts, the coarsest being 1.
        fine_every: training looks at the fine levels of every so many-th frame.
        first_weight: how much the first frame of a chunk counts, see `objective.frame_weights`.
        validate_steps: steps between two validations.
        validate_batches: batches a validation.
        patience: validations without a better one after which the run stops; None = never.

    Raises:
        ValueError: a value is impossible.
    """

    examples: ExampleParams = field(default_factory=ExampleParams)
    optimizer: OptimizerParams = field(default_factory=OptimizerParams)
    finest_weight: float = 0.1
    fine_every: int = 1
    first_weight: float = 1.0
    validate_steps: int = 250
    validate_batches: int = 4
    patience: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.finest_weight <= 1:
            raise ValueError(f"finest_weight must be in (0, 1], got {self.finest_weight}")
        if self.fine_every < 1:
            raise ValueError(f"fine_every must be at least 1, got {self.fine_every}")
        if min(self.validate_steps, self.validate_batches, self.patience or 1) < 1:
            raise ValueError("validate_steps, validate_batches and patience must be at least 1")


@dataclass(frozen=True)
class Fitted:
    """What a run came to.

    Attributes:
        state: the averaged weights of the best validation, or the last ones if nothing was held
            out.
        position: where the run stands.
        validations: one a check, oldest first.
    """

    state: nnx.State
    position: Position
    validations: tuple[Validation, ...]


def fit(
    begin: Start,
    pieces: Sequence[PieceTokens],
    format: Format,
    params: FitParams,
    budget: Budget,
    run: Path,
    seed: int,
    progress: Callable[[], TrainingProgress],
) -> Fitted:
    """Trains until the budget is spent or no check gets better, on from where the run stands.

    Args:
        begin: the first weights; not to be used afterwards, as training takes their memory.
        pieces: to learn from and, where their split says so, to check with.
        format: the music format.
        params: how it goes.
        budget: when to stop.
        run: the run's folder.
        seed: of all batches.
        progress: makes what shows how it goes, anew between two checks.

    Raises:
        ValueError: examples have no whole number of `fine_every` frames.
        TooShort: no piece to learn from, or none of those to check with, is long enough.
        TrainingError: see `training.loop.train`; CheckpointError, OSError likewise.
    """
    frames = params.examples.chunks * format.dims["frame"]
    if frames % params.fine_every:
        raise ValueError(f"{frames} frames are no multiple of fine_every {params.fine_every}")
    learning = [piece for piece in pieces if piece.split == "train"]
    examples = Examples(learning, format, params.examples, seed)
    shape = (begin.graph, begin.config.num_levels, params.finest_weight)
    loss = make_loss(*shape, first_weight=params.first_weight)
    checker = Checker.of(loss, pieces, format, params.examples, params.validate_batches)
    step = make_step(make_loss(*shape, params.fine_every, params.first_weight), params.optimizer)
    state = start(begin.state, params.optimizer)
    done, stopped = _steps_done(run), False
    if checker is not None and done == 0:
        _check(checker, state, Position(0, seed), run)
    while not stopped:
        stop = _next_stop(done, params.validate_steps, budget)
        part = replace(budget, steps=stop)
        state, position = train(
            state, step, examples.batch, part, run, seed=seed, progress=progress()
        )
        stopped = budget.spent(position) or position.step < stop
        done = position.step
        if checker is not None:
            checks = _check(checker, state, position, run)
            stopped = stopped or lost_patience(checks, params.patience)
    return Fitted(best_weights(state, run), position, tuple(read_validations(run / CHECKS_FILE)))


def best_weights(like: TrainState, run: Path) -> nnx.State:
    """The weights of a run's best check, or, if there was none, those of its last step.

    Args:
        like: a state of the run's structure; the last one, where it is at hand.
        run: the run's folder.

    Raises:
        CheckpointError: the run holds nothing, or what it holds cannot be used.
    """
    best = restore_latest(run / BEST_FOLDER, like.best)
    if best is not None:
        return best[0]
    last = restore_latest(run / "checkpoints", like)
    if last is None:
        raise CheckpointError(f"{run}: holds no checkpoint; train there first")
    return last[0].best


def _steps_done(run: Path) -> int:
    found = checkpoints(run / "checkpoints")
    return int(found[-1].name.rpartition("_")[2]) if found else 0


def _next_stop(done: int, every: int, budget: Budget) -> int:
    """The next step to check at: a multiple of `every`, or the last step."""
    following = (done // every + 1) * every
    return following if budget.steps is None else min(following, max(budget.steps, 1))


def _check(checker: Checker, state: TrainState, position: Position, run: Path) -> list[Validation]:
    """Checks the averaged weights, notes it, and keeps them if they are the best so far."""
    run.mkdir(parents=True, exist_ok=True)
    path = run / CHECKS_FILE
    # Checks behind where the run stands belong to steps that were lost, or to this very step.
    before = [check for check in read_validations(path) if check.step < position.step]
    now = Validation(position.step, position.seconds, checker(state.best))
    checks = [*before, now]
    write_validations(path, checks)
    if best_of(checks) is now:
        save(run / BEST_FOLDER, state.best, position)
    return checks
