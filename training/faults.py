"""The end of a training command that a person can put right: one line, exit code 1."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from soundstage.errors import UserError
from soundstage.stages.weights.array_source import WeightsError
from soundstage.training.audio import CropError
from soundstage.training.checkpoint import CheckpointError
from soundstage.training.corpus.manifest import ManifestError
from soundstage.training.loop import TrainingError

FAULTS: tuple[type[Exception], ...] = (
    CheckpointError,
    CropError,
    ManifestError,
    OSError,
    TrainingError,
    UserError,
    WeightsError,
)


@contextmanager
def told_in_a_line(command: str, *more: type[Exception]) -> Iterator[None]:
    """Ends a command with a line on standard error where one of `FAULTS`, or `more`, is raised."""
    try:
        yield
    except FAULTS + more as error:
        print(f"{command}: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
