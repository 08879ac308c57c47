"""`soundstage verify`: proves a converted checkpoint against recordings of the original."""

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
            help="Holds config.json, weights (*.safetensors, or a T5X checkpoint as a folder or "
            ".tar) and recorded arrays (*.npz).",
        ),
    ],
    debug: Debug = False,
) -> None:
    """Run our network on recorded inputs and compare every array.

    Prints, per array, the largest absolute error, the tolerance and ok, FAIL or not checked. The
    exit code is 1 if any array fails or nothing could be checked.
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
