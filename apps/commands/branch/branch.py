"""The command `soundstage branch` and its options."""

from pathlib import Path
from typing import Annotated

import typer

from soundstage.apps.commands.exit_codes import errors_as_lines
from soundstage.apps.commands.options import (
    MUSIC_PANEL,
    NO_CONTROLS,
    OUTPUT_PANEL,
    Allow,
    Controls,
    Debug,
    Place,
    Quiet,
    Runner,
    takes_controls,
)
from soundstage.apps.commands.pipeline_choice import choose
from soundstage.runners.choice import RunnerChoice

EXAMPLES = """Examples:

soundstage branch evening.session --prompt "warm pads" --prompt "jazz trio" --output-dir out

soundstage branch evening.session --prompt "pads:0.3 | jazz:0.7" --duration 30 --save"""


@takes_controls(default="the session's")
def branch(
    session: Annotated[
        Path,
        typer.Argument(metavar="SESSION", help="The saved session to continue; it is only read."),
    ],
    prompt: Annotated[
        list[str],
        typer.Option(
            "--prompt",
            metavar="PROMPTS",
            help="The prompts of one branch: one text, or several with weights, such as "
            "`warm pads:0.3 | jazz trio:0.7`. Repeat the option for each branch.",
            rich_help_panel=MUSIC_PANEL,
        ),
    ],
    duration: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            help="Length of each branch: above 0, at most 86400 (24 hours).",
            rich_help_panel=MUSIC_PANEL,
        ),
    ] = 10.0,
    controls: Controls = NO_CONTROLS,
    row: Annotated[
        int | None,
        typer.Option(
            help="The stream to continue, counted from 0, if the session holds several.",
            rich_help_panel=MUSIC_PANEL,
        ),
    ] = None,
    place: Place = None,
    allow: Allow = None,
    runner: Runner = "local",
    output_dir: Annotated[
        Path,
        typer.Option(
            "--output-dir",
            "-o",
            metavar="DIR",
            help="The folder for the files 01-warm-pads.wav and so on; made if it is missing.",
            rich_help_panel=OUTPUT_PANEL,
        ),
    ] = Path("branches"),
    save: Annotated[
        bool,
        typer.Option(
            "--save",
            help="Save each branch as a session beside its file.",
            rich_help_panel=OUTPUT_PANEL,
        ),
    ] = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Continue one saved session in several styles, one file for each.

    All branches are made together, as rows of one batch. The session file stays as it is.
    """
    with errors_as_lines(debug):
        # late, as JAX and Arrow come with it
        from soundstage.apps.commands.branch.branching import BranchRequest, parse_prompts
        from soundstage.apps.commands.branch.branching import branch as run
        from soundstage.progress import open_progress

        request = BranchRequest(
            session=session,
            prompts=tuple(map(parse_prompts, prompt)),
            duration_s=duration,
            folder=output_dir,
            controls=controls,
            save=save,
            row=row,
            choice=choose(None, None, None, None, place, allow),
            runner=RunnerChoice(runner),
        )
        run(request, open_progress(quiet))
