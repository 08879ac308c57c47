"""Validation on held-out pieces, and the file that lists the results."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from soundstage.files import replacing
from soundstage.training.depthformer.recipe import AS_USED, Validations
from soundstage.training.metrics import csv_bytes, metric_columns, metric_values, read_metrics
from soundstage.training.optimizer import Loss


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
        validations: the held-out batches by name.
    """

    def __init__(self, loss: Loss, validations: Validations) -> None:
        self._measure = jax.jit(loss)
        self._validations = validations

    def __call__(self, weights: Any) -> dict[str, float]:
        """Returns the means of the loss and its metrics, and of the other validations' losses."""
        means = self._means(weights, self._validations[AS_USED])
        others = {
            name: self._means(weights, batches)["loss"]
            for name, batches in self._validations.items()
            if name != AS_USED
        }
        return means | others

    def _means(self, weights: Any, batches: Sequence[Any]) -> dict[str, float]:
        measured = []
        for batch in batches:
            value, metrics = jax.device_get(self._measure(weights, batch))
            measured.append({"loss": value, **metrics})
        return {name: float(np.mean([m[name] for m in measured])) for name in measured[0]}
