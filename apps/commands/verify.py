"""`soundstage verify`: compares a network and its weights with recordings of the original."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from soundstage.apps.commands.command import command
from soundstage.apps.commands.exit_codes import CommandFailed

if TYPE_CHECKING:
    from soundstage.verification.recording import ArrayVerdict, VerificationReport

EXAMPLES = """Example:

soundstage verify my-checkpoint"""
HEADING = f"{'array':<52} {'max error':>10} {'tolerance':>10}  {'verdict':<11}  note"


@command
def verify(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR",
            help="A folder with config.json, weights (*.safetensors, or a T5X checkpoint as a "
            "folder or .tar) and recorded arrays (*.npz).",
        ),
    ],
) -> None:
    """Run a network on recorded inputs and compare every array with the original's.

    Prints for each array the largest absolute error, the tolerance, and ok, FAIL or not checked.
    The exit code is 1 if an array fails or nothing could be checked.
    """
    from soundstage.verification.checks import verify as compare

    headed = False

    def on_row(row: ArrayVerdict) -> None:
        nonlocal headed
        if not headed:
            print(HEADING)
            headed = True
        print(row_line(row), flush=True)

    report = compare(folder, on_row)
    print(summary_line(report))
    if not report.passed:
        raise CommandFailed(1)


def row_line(row: ArrayVerdict) -> str:
    """Returns the report's line on one array: name, error, tolerance, verdict and note."""
    numbers = f"{'':>10} {'':>10}"
    if row.error is not None and row.tolerance is not None:
        numbers = f"{row.error:>10.3g} {row.tolerance:>10.3g}"
    return f"{row.name:<52} {numbers}  {row.status:<11}  {row.note}".rstrip()


def summary_line(report: VerificationReport) -> str:
    """Returns the report's last line: the verdict on the whole recording."""
    counts = ", ".join(
        f"{report.count(status)} {status}" for status in ("ok", "FAIL", "not checked")
    )
    verdict = "passed" if report.passed else "FAILED"
    if not report.compared:
        verdict += ": nothing could be checked"
    return f"{report.model} with {report.weights_note}: {counts}: {verdict}"
