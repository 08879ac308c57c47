"""The examples and the loss of a network: chunks with a past, or windows of a piece."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from soundstage.graph.format import Format
from soundstage.stages.depthformer.vocabulary import Vocabulary
from soundstage.training.depthformer.examples import Batch, ExampleParams, Examples
from soundstage.training.depthformer.initial_weights import InitialWeights
from soundstage.training.depthformer.objective import make_loss
from soundstage.training.depthformer.window_objective import make_window_loss
from soundstage.training.depthformer.windows import WindowExamples, WindowParams
from soundstage.training.optimizer import Loss
from soundstage.training.tokens.record import PieceTokens

# The validations of all runs draw the same examples, so that runs can be compared.
VALIDATION_SEED = 2**31 - 1
# Batches as the network is used, and others that show what it gains from a part of its input.
Validations = Mapping[str, Sequence[Any]]
AS_USED = "as used"


class LossShares(NamedTuple):
    """The weights of the parts of a loss.

    Attributes:
        finest: weight of the finest level; the coarsest has 1.
        onset: extra weight of a frame with the strongest onsets, for windows.
        fine_every: the fine levels of one frame in so many are trained, for chunks.
    """

    finest: float = 0.1
    onset: float = 2.0
    fine_every: int = 1


class Recipe(NamedTuple):
    """What a network is trained on, and how it is validated.

    Attributes:
        batch: makes the batch of a step.
        loss: the loss of training.
        validation_loss: the loss of validation.
        validations: held-out batches; `AS_USED` among them, or empty if no piece is held out.
    """

    batch: Callable[[int], Any]
    loss: Loss
    validation_loss: Loss
    validations: Validations


def make_recipe(
    initial: InitialWeights,
    pieces: Sequence[PieceTokens],
    format: Format,
    params: ExampleParams | WindowParams,
    loss: LossShares,
    validate_batches: int,
    seed: int,
) -> Recipe:
    """Makes the recipe of a network.

    Args:
        initial: the network.
        pieces: for training or for validation, as their split tells.
        format: the music format.
        params: windows for a network that reads the past in its decoder, chunks for the others.
        loss: the weights of the parts of the loss.
        validate_batches: batches of each kind of validation.
        seed: the seed of all batches.

    Raises:
        TooShort: no training piece, or no held-out piece, is long enough.
        ValueError: the parameters are for the other kind of network.
    """
    train = [piece for piece in pieces if piece.split == "train"]
    heldout = [piece for piece in pieces if piece.split == "heldout"]
    numbers, config = range(validate_batches), initial.config
    if isinstance(params, WindowParams) != bool(config.past_levels):
        raise ValueError(f"{type(params).__name__} are not for this network: {config}")
    validations: dict[str, Sequence[Any]] = {}
    if isinstance(params, WindowParams):
        by_window = make_window_loss(initial.graph, config.num_levels, loss.finest, loss.onset)
        for name, windows in _validation_windows(params).items():
            if heldout:
                drawn = WindowExamples(heldout, format, windows, VALIDATION_SEED)
                validations[name] = [drawn.batch(number) for number in numbers]
        batch = WindowExamples(train, format, params, seed).batch
        return Recipe(batch, by_window, by_window, validations)
    by_chunk = make_loss(initial.graph, config.num_levels, loss.finest, loss.fine_every)
    whole = make_loss(initial.graph, config.num_levels, loss.finest)
    if heldout:
        as_used = replace(params, chunks=1, style_dropout=0.0, noisy_share=0.0)
        examples = Examples(heldout, format, as_used, VALIDATION_SEED)
        batches = [examples.batch(number) for number in numbers]
        without = Vocabulary.of(format).unprompted
        unprompted = [Batch(without(batch.prompt), batch.codes) for batch in batches]
        validations = {AS_USED: batches, "without_style": unprompted}
    return Recipe(Examples(train, format, params, seed).batch, by_chunk, whole, validations)


def _validation_windows(params: WindowParams) -> dict[str, WindowParams]:
    as_used = replace(
        params,
        style_dropout=0.0,
        free_beats=0.0,
        late_beats=0.0,
        free_sound=0.0,
        noisy_share=0.0,
        spliced_share=0.0,
    )
    return {
        AS_USED: as_used,
        "without_style": replace(as_used, style_dropout=1.0),
        "without_beats": replace(as_used, free_beats=1.0),
    }
