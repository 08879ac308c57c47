"""Checks against held-out pieces, and the file that lists them."""

import csv
import io
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
from soundstage.training.metrics import read_metrics
from soundstage.training.optimizer import Loss
from soundstage.training.tokens.record import PieceTokens

# Checks of any run are drawn alike, so that runs can be compared.
SEED = 2**31 - 1


@dataclass(frozen=True)
class Validation:
    """One check.

    Attributes:
        step: steps done before it.
        seconds: time spent training until then.
        metrics: means over the held-out batches, "loss" among them.
    """

    step: int
    seconds: float
    metrics: Mapping[str, float]


def read_validations(path: Path) -> list[Validation]:
    """Reads the list of checks; empty if there is none.

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
    """Writes the list of checks, whole or not at all.

    Raises:
        OutputError: the file cannot be written.
    """
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["step", "seconds", *validations[0].metrics])
    for check in validations:
        values = (f"{value:.6g}" for value in check.metrics.values())
        rows.writerow([check.step, f"{check.seconds:.2f}", *values])
    with replacing(path) as file:
        file.write(text.getvalue().encode())


def best_of(validations: Sequence[Validation]) -> Validation | None:
    """The check of the least loss, the first of equals; None = there is none."""
    return min(validations, key=lambda check: check.metrics["loss"], default=None)


def lost_patience(validations: Sequence[Validation], patience: int | None) -> bool:
    """Whether the last `patience` checks were all worse than an earlier one."""
    best = best_of(validations)
    if best is None or patience is None:
        return False
    return len(validations) - 1 - list(validations).index(best) >= patience


class Checker:
    """Measures weights on held-out examples, always the same ones.

    Args:
        loss: as `objective.make_loss` makes it.
        batches: what it is measured on.
        unprompted: the same without a style.
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
    ) -> "Checker | None":
        """Draws `count` batches of one chunk, as in use; None = nothing is held out.

        Raises:
            TooShort: pieces are held out, but none is as long as a chunk.
        """
        held = [piece for piece in pieces if piece.split == "heldout"]
        if not held:
            return None
        as_used = replace(params, chunks=1, style_dropout=0.0, noisy_share=0.0, hidden_share=0.0)
        examples = Examples(held, format, as_used, SEED)
        batches = [examples.batch(number) for number in range(count)]
        without = Vocabulary.of(format).unprompted
        return cls(loss, batches, [Batch(without(batch.prompt), batch.codes) for batch in batches])

    def __call__(self, weights: Any) -> dict[str, float]:
        """The means of the loss and its metrics, and of the loss without a style."""
        found = self._means(weights, self._batches)
        return found | {"without_style": self._means(weights, self._unprompted)["loss"]}

    def _means(self, weights: Any, batches: Sequence[Batch]) -> dict[str, float]:
        measured = []
        for batch in batches:
            value, metrics = jax.device_get(self._measure(weights, batch))
            measured.append({"loss": value, **metrics})
        return {name: float(np.mean([m[name] for m in measured])) for name in measured[0]}
