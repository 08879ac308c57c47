"""A training run: train, validate on held-out pieces, keep the best weights, stop early."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from flax import nnx

from soundstage.errors import InputError
from soundstage.graph.format import Format
from soundstage.training.checkpoint import (
    CHECKPOINTS_FOLDER,
    Position,
    checkpoints,
    restore_latest,
    restore_run,
    save,
)
from soundstage.training.depthformer.examples import ExampleParams
from soundstage.training.depthformer.initial_weights import InitialWeights
from soundstage.training.depthformer.recipe import LossShares, make_recipe
from soundstage.training.depthformer.validation import (
    Validation,
    Validator,
    best_of,
    patience_is_over,
    read_validations,
    write_validations,
)
from soundstage.training.depthformer.window_objective import LEVELS_EVERY
from soundstage.training.depthformer.windows import WindowParams
from soundstage.training.loop import Budget, train
from soundstage.training.optimizer import OptimizerParams, TrainState, make_step, start
from soundstage.training.progress import TrainingProgress
from soundstage.training.tokens.record import PieceTokens

VALIDATIONS_FILE, BEST_FOLDER = "validation.csv", "best"


@dataclass(frozen=True)
class FitParams:
    """How a run draws examples, updates weights and validates.

    Attributes:
        examples: how examples are drawn: `WindowParams` for a network that reads the past in its
            decoder.
        optimizer: how weights are updated.
        loss: the weights of the parts of the loss.
        validate_steps: steps between two validations.
        validate_batches: batches a validation.
        patience: validations without improvement after which the run stops; None = no limit.

    Raises:
        ValueError: a value is out of range.
    """

    examples: ExampleParams | WindowParams = field(default_factory=ExampleParams)
    optimizer: OptimizerParams = field(default_factory=OptimizerParams)
    loss: LossShares = field(default_factory=LossShares)
    validate_steps: int = 250
    validate_batches: int = 4
    patience: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.loss.finest <= 1:
            raise ValueError(f"the finest weight must be in (0, 1], got {self.loss.finest}")
        if self.loss.fine_every < 1:
            raise ValueError(f"fine_every must be at least 1, got {self.loss.fine_every}")
        if min(self.validate_steps, self.validate_batches, self.patience or 1) < 1:
            raise ValueError("validate_steps, validate_batches and patience must be at least 1")


@dataclass(frozen=True)
class Fitted:
    """The result of a run.

    Attributes:
        state: the averaged weights of the best validation, or the last ones if no piece was held
            out.
        position: where the run stands.
        validations: oldest first.
    """

    state: nnx.State
    position: Position
    validations: tuple[Validation, ...]


def fit(
    initial: InitialWeights,
    pieces: Sequence[PieceTokens],
    format: Format,
    params: FitParams,
    budget: Budget,
    run: Path,
    seed: int,
    progress: Callable[[], TrainingProgress],
) -> Fitted:
    """Trains from the run's last checkpoint until the budget is spent or patience is over.

    Args:
        initial: the first weights; training donates their buffers, so do not use them again.
        pieces: for training or for validation, as their split tells.
        format: the music format.
        params: how the run goes.
        budget: when to stop.
        run: the run's folder.
        seed: the seed of all batches.
        progress: makes the progress display of the steps between two validations.

    Raises:
        InputError: the frames of an example are no multiple of `fine_every`.
        TooShort: no training piece, or no held-out piece, is long enough.
        TrainingError: see `training.loop.train`; CheckpointError, OSError likewise.
    """
    _check_frames(params, format)
    recipe = make_recipe(
        initial, pieces, format, params.examples, params.loss, params.validate_batches, seed
    )
    validator = None
    if recipe.validations:
        validator = Validator(recipe.validation_loss, recipe.validations)
    step = make_step(recipe.loss, params.optimizer)
    state = start(initial.state, params.optimizer)
    done, stopped = _steps_done(run), False
    if validator is not None and done == 0:
        _validate(validator, state, Position(0, seed), run)
    while not stopped:
        stop = _next_stop(done, params.validate_steps, budget)
        part = replace(budget, pause=stop)
        state, position = train(
            state, step, recipe.batch, part, run, seed=seed, progress=progress()
        )
        stopped = budget.spent(position) or position.step < stop
        done = position.step
        if validator is not None:
            validations = _validate(validator, state, position, run)
            stopped = stopped or patience_is_over(validations, params.patience)
    validations = read_validations(run / VALIDATIONS_FILE)
    return Fitted(best_weights(state, run), position, tuple(validations))


def _check_frames(params: FitParams, format: Format) -> None:
    if isinstance(params.examples, ExampleParams):
        frames, every = params.examples.chunks * format.dims["frame"], params.loss.fine_every
    else:
        frames, every = format.dims["window_frame"], LEVELS_EVERY[-1][1]
    if frames % every:
        raise InputError(f"the {frames} frames of an example are no multiple of {every}")


def best_weights(like: TrainState, run: Path) -> nnx.State:
    """Reads the weights of a run's best validation, or those of its last step if there is none.

    Args:
        like: a state of the same structure, shapes and types.
        run: the run's folder.

    Raises:
        CheckpointError: there is no checkpoint, or it cannot be used.
    """
    best = restore_latest(run / BEST_FOLDER, like.best)
    return restore_run(run, like)[0].best if best is None else best[0]


def _steps_done(run: Path) -> int:
    paths = checkpoints(run / CHECKPOINTS_FOLDER)
    return int(paths[-1].name.rpartition("_")[2]) if paths else 0


def _next_stop(done: int, every: int, budget: Budget) -> int:
    """Returns the next step to validate at: a multiple of `every`, or the last step."""
    following = (done // every + 1) * every
    return following if budget.steps is None else min(following, max(budget.steps, 1))


def _validate(
    validator: Validator, state: TrainState, position: Position, run: Path
) -> list[Validation]:
    """Validates the averaged weights, lists the result, and saves them if they are the best."""
    run.mkdir(parents=True, exist_ok=True)
    path = run / VALIDATIONS_FILE
    # Later validations belong to steps lost since the last checkpoint, or to this very step.
    before = [one for one in read_validations(path) if one.step < position.step]
    now = Validation(position.step, position.seconds, validator(state.best))
    validations = [*before, now]
    write_validations(path, validations)
    if best_of(validations) is now:
        save(run / BEST_FOLDER, state.best, position)
    return validations
