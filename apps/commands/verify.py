"""The command `soundstage verify` and its options."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from soundstage.apps.commands.exit_codes import CommandFailed, errors_as_lines
from soundstage.apps.commands.options import Debug

EXAMPLES = """Example:

soundstage verify my-checkpoint"""


def verify(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR",
            help="A folder with config.json, weights (*.safetensors, or a T5X checkpoint as a "
            "folder or .tar) and recorded arrays (*.npz).",
        ),
    ],
    debug: Debug = False,
) -> None:
    """Run a network on recorded inputs and compare every array with the original's.

    Prints the largest absolute error of each array, its tolerance, and ok, FAIL or not checked.
    Exit code 0: all checked arrays are ok; 1: an array fails, or none could be checked.
    """
    with errors_as_lines(debug):
        from soundstage.stages.verification.checks import (
            ArrayVerdict,
            print_heading,
            print_row,
            print_summary,
        )
        from soundstage.stages.verification.checks import verify as run

        headed = False

        def on_row(row: ArrayVerdict) -> None:
            nonlocal headed
            if not headed:
                print_heading(sys.stdout)
                headed = True
            print_row(row, sys.stdout)
            sys.stdout.flush()

        report = run(folder, on_row)
        print_summary(report, sys.stdout)
        if not report.passed:
            raise CommandFailed(1)
