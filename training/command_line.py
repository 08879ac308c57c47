"""The end of a training command that a person can put right: one line, exit code 1."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from soundstage.errors import Error

FAULTS: tuple[type[Exception], ...] = (Error, OSError)


@contextmanager
def told_in_a_line(command: str, *more: type[Exception]) -> Iterator[None]:
    """Ends a command with a line on standard error where one of `FAULTS`, or `more`, is raised."""
    try:
        yield
    except FAULTS + more as error:
        print(f"{command}: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
