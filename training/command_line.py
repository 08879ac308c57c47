"""The command lines of training: shared options, progress bars, errors as one line."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from soundstage.errors import Error
from soundstage.interrupts import leave_if_stopping

HELP_OPTIONS = {"help_option_names": ["--help", "-h"]}

Corpus = Annotated[
    Path, typer.Option(metavar="DIR", help="A corpus that soundstage.training.corpus made.")
]
Run = Annotated[
    Path, typer.Option(metavar="DIR", help="The run's folder; a run that it holds is resumed.")
]
Minutes = Annotated[
    float | None, typer.Option(min=0.01, max=100_000, help="Minutes after which training stops.")
]
BatchSeed = Annotated[int, typer.Option(min=0, help="The same seed gives the same batches.")]


def run_command(function: Callable[..., None], module: str, examples: str) -> None:
    """Runs a function as the only command of a module, and ends the process.

    Args:
        function: its parameters are the options, its docstring is the help.
        module: the name behind `python -m`.
        examples: shown below the help.
    """
    app = _make_app()
    app.command(epilog=examples, context_settings=HELP_OPTIONS)(function)
    run_app(app, module)


def run_app(app: typer.Typer, module: str) -> None:
    """Runs an application, and ends the process.

    Args:
        app: the application.
        module: the name behind `python -m`.
    """
    try:
        app(prog_name=f"python -m {module}")
    finally:
        leave_if_stopping()


def trainer_app(
    train: Callable[..., None],
    examples: str,
    subcommands: Mapping[str, tuple[Callable[..., None], str | None]],
) -> typer.Typer:
    """Makes the application of a module that trains unless a subcommand is given.

    Args:
        train: its parameters are the options, its docstring is the help; it returns at once if
            its context has a subcommand.
        examples: shown below the help.
        subcommands: functions like `train`, with their own examples, by name.
    """
    app = _make_app()
    app.callback(invoke_without_command=True, epilog=examples, context_settings=HELP_OPTIONS)(train)
    for name, (function, own_examples) in subcommands.items():
        app.command(name, epilog=own_examples)(function)
    return app


def _make_app() -> typer.Typer:
    return typer.Typer(
        add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="markdown"
    )


def weight_notes(command: str, **facts: str | int) -> dict[str, str]:
    """Returns the metadata of a file of weights: the module that made it, its license, facts."""
    notes = {"made by": f"python -m {command}", "license": "Apache-2.0"}
    return notes | {name: str(value) for name, value in facts.items()}


def counting_bar(console: Console) -> Progress:
    """Makes progress bars that count items; they are only shown on a terminal."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )


@contextmanager
def errors_in_one_line(command: str) -> Iterator[None]:
    """Prints an `Error` or `OSError` of the block as one line on standard error.

    Args:
        command: the command as typed; the line starts with it.

    Raises:
        typer.Exit: there was such an error; the exit code is 1.
    """
    try:
        yield
    except (Error, OSError) as error:
        print(f"{command}: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
