"""The commands `soundstage replay` and `soundstage diff`, and their options."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from soundstage.apps.commands.command import command
from soundstage.apps.commands.exit_codes import CommandFailed
from soundstage.apps.commands.options import OUTPUT, Allow, AsJson, Panel, Place, Runner

if TYPE_CHECKING:
    from soundstage.runners.traces.comparison import Comparison

STAGE = Panel("One stage")
REPLAY_EXAMPLES = """Examples:

soundstage replay run.arrow

soundstage replay run.arrow --stage decode --place decode=gpu:0 --tolerance 1e-4

soundstage replay run.arrow --stage decode --use my_pkg:MyCodec --allow my_pkg"""
DIFF_EXAMPLES = """Examples:

soundstage diff monday.arrow tuesday.arrow

soundstage diff cpu.arrow gpu.arrow --stage decode --tolerance 1e-4

soundstage diff cross-faded.arrow gapless.arrow --output audio"""

Run = Annotated[
    Path, typer.Argument(metavar="RUN", help="A trace that `soundstage generate --record` wrote.")
]
Tolerance = Annotated[
    float,
    typer.Option(
        metavar="ERROR",
        help="The largest difference at which floats count as equal, at least 0; 0 compares bytes. "
        "Whole numbers and text must always be equal.",
    ),
]


@command
def replay(
    run: Run,
    stage: Annotated[
        str | None,
        STAGE.option(metavar="STAGE", help="Run this stage alone, on its recorded inputs."),
    ] = None,
    use: Annotated[
        str | None,
        STAGE.option(
            metavar="MODULE:CLASS",
            help="Run this class in place of the stage; its ports must be the same.",
        ),
    ] = None,
    param: Annotated[
        list[str] | None,
        STAGE.option(
            metavar="KEY=VALUE",
            help="Set a parameter of the stage, e.g. size=large. May be repeated.",
        ),
    ] = None,
    tolerance: Tolerance = 0.0,
    place: Place = None,
    allow: Allow = None,
    runner: Runner = "local",
    output: Annotated[
        Path | None,
        OUTPUT.option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write a trace of the replay; with --stage, of the messages of this stage.",
        ),
    ] = None,
    as_json: AsJson = False,
    quiet: Annotated[bool, OUTPUT.option("--quiet", "-q", help="Show no progress.")] = False,
) -> None:
    """Run a recorded run again and compare every message with the recorded one.

    The pipeline and the controls of every tick are those of the recorded run. Exit code 0: all
    messages are equal; 1: they differ.
    """
    # late, as JAX and Arrow come with it
    from soundstage.progress import open_progress
    from soundstage.runners.traces.replay import replay as run_again

    comparison = run_again(
        run,
        stage,
        use,
        params=param or (),
        placements=place or (),
        allow=allow or (),
        tolerance=tolerance,
        output=output,
        runner=runner,
        progress=open_progress(quiet),
    )
    _report(comparison, as_json)


@command
def diff(
    left: Run,
    right: Annotated[Path, typer.Argument(metavar="RUN", help="The trace to compare it with.")],
    stage: Annotated[
        str | None,
        typer.Option(
            metavar="STAGE", help="Compare only the messages of this stage; in = the controls."
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Compare only this output of the pipelines, such as audio; different stages may "
            "make it.",
        ),
    ] = None,
    tolerance: Tolerance = 0.0,
    as_json: AsJson = False,
) -> None:
    """Compare two recorded runs: where they first differ, and by how much.

    Prints the first value that differs and, for each port, the number of values that differ, the
    largest error, and the agreement: audio in dB of signal over difference, tokens in percent.
    Exit code 0: all messages are equal; 1: they differ.
    """
    from soundstage.runners.traces.diff import diff as compare  # late, as Arrow comes with it

    _report(compare(left, right, stage=stage, output=output, tolerance=tolerance), as_json)


def _report(comparison: "Comparison", as_json: bool) -> None:
    text = comparison.as_json() if as_json else str(comparison)
    for line in text.splitlines():
        print("".join(c if c.isprintable() else "?" for c in line))
    if not comparison.equal:
        raise CommandFailed(1)
