"""Validation on held-out pieces, and the file that lists the results."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

from soundstage.files import replacing
from soundstage.graph.format import Format
from soundstage.stages.depthformer.vocabulary import Vocabulary
from soundstage.training.depthformer.examples import Batch, ExampleParams, Examples
from soundstage.training.metrics import csv_bytes, metric_columns, metric_values, read_metrics
from soundstage.training.optimizer import Loss
from soundstage.training.tokens.record import PieceTokens

# The validations of all runs draw the same examples, so that runs can be compared.
SEED = 2**31 - 1


@dataclass(frozen=True)
class Validation:
    """The result of one validation.

    Attributes:
        step: steps done before.
        seconds: time spent training before.
        metrics: means over the held-out batches, "loss" among them.
    """

    step: int
    seconds: float
    metrics: Mapping[str, float]


def read_validations(path: Path) -> list[Validation]:
    """Reads the list of validations; empty if the file does not exist.

    Raises:
        OSError: the file cannot be read.
    """
    if not path.exists():
        return []
    columns = read_metrics(path)
    names = [name for name in columns if name not in ("step", "seconds")]
    return [
        Validation(int(step), columns["seconds"][row], {name: columns[name][row] for name in names})
        for row, step in enumerate(columns.get("step", []))
    ]


def write_validations(path: Path, validations: Sequence[Validation]) -> None:
    """Writes the list of validations; the file is replaced as a whole.

    Raises:
        OutputError: the file cannot be written.
    """
    rows = [metric_values(one.step, one.seconds, one.metrics) for one in validations]
    with replacing(path) as file:
        file.write(csv_bytes([metric_columns(validations[0].metrics), *rows]))


def best_of(validations: Sequence[Validation]) -> Validation | None:
    """Returns the validation of the least loss, the first of equals; None = there is none."""
    return min(validations, key=lambda validation: validation.metrics["loss"], default=None)


def patience_is_over(validations: Sequence[Validation], patience: int | None) -> bool:
    """Tells whether the last `patience` validations were all worse than an earlier one."""
    best = best_of(validations)
    if best is None or patience is None:
        return False
    return len(validations) - 1 - list(validations).index(best) >= patience


class Validator:
    """Measures the loss of weights on the same held-out examples every time.

    Args:
        loss: as `objective.make_loss` makes it.
        batches: the held-out examples.
        unprompted: the same examples without a style.
    """

    def __init__(self, loss: Loss, batches: Sequence[Batch], unprompted: Sequence[Batch]) -> None:
        self._measure = jax.jit(loss)
        self._batches, self._unprompted = batches, unprompted

    @classmethod
    def of(
        cls,
        loss: Loss,
        pieces: Sequence[PieceTokens],
        format: Format,
        params: ExampleParams,
        count: int,
    ) -> "Validator | None":
        """Draws `count` batches of one chunk, as in generation; None = no piece is held out.

        Raises:
            TooShort: every held-out piece is shorter than a chunk.
        """
        heldout = [piece for piece in pieces if piece.split == "heldout"]
        if not heldout:
            return None
        as_used = replace(params, chunks=1, style_dropout=0.0, noisy_share=0.0, hidden_share=0.0)
        examples = Examples(heldout, format, as_used, SEED)
        batches = [examples.batch(number) for number in range(count)]
        without = Vocabulary.of(format).unprompted
        return cls(loss, batches, [Batch(without(batch.prompt), batch.codes) for batch in batches])

    def __call__(self, weights: Any) -> dict[str, float]:
        """Returns the means of the loss and its metrics, and of the loss without a style."""
        means = self._means(weights, self._batches)
        return means | {"without_style": self._means(weights, self._unprompted)["loss"]}

    def _means(self, weights: Any, batches: Sequence[Batch]) -> dict[str, float]:
        measured = []
        for batch in batches:
            value, metrics = jax.device_get(self._measure(weights, batch))
            measured.append({"loss": value, **metrics})
        return {name: float(np.mean([m[name] for m in measured])) for name in measured[0]}
