"""The command `soundstage branch` and its options."""

from pathlib import Path
from typing import Annotated

import typer

from soundstage.apps.commands.command import command
from soundstage.apps.commands.options import (
    MUSIC,
    OUTPUT,
    Controls,
    Quiet,
    Runner,
    Subtype,
    control_options,
)
from soundstage.apps.commands.pipeline_choice import PlacementOptions
from soundstage.runners.choice import RunnerChoice

EXAMPLES = """Examples:

soundstage branch evening.session --prompt "warm pads" --prompt "jazz trio" --output-dir out

soundstage branch evening.session --prompt "pads:0.3 | jazz:0.7" --duration 30 --save"""


@command
def branch(
    *,
    session: Annotated[
        Path,
        typer.Argument(metavar="SESSION", help="The saved session to continue; it is only read."),
    ],
    prompt: Annotated[
        list[str],
        MUSIC.option(
            metavar="PROMPTS",
            help="The prompts of one branch: one text, or several with weights, such as "
            "`warm pads:0.3 | jazz trio:0.7`. Repeat the option for each branch.",
        ),
    ],
    duration: Annotated[
        float,
        MUSIC.option(
            metavar="SECONDS", help="Length of each branch: above 0, at most 86400 (24 hours)."
        ),
    ] = 10.0,
    controls: Annotated[Controls, control_options(default="the session's")],
    row: Annotated[
        int | None,
        MUSIC.option(help="The stream to continue, counted from 0, if the session holds several."),
    ] = None,
    choice: PlacementOptions,
    runner: Runner = "local",
    output_dir: Annotated[
        Path,
        OUTPUT.option(
            "--output-dir",
            "-o",
            metavar="DIR",
            help="The folder for the files 01-warm-pads.wav and so on; made if it is missing.",
        ),
    ] = Path("branches"),
    subtype: Subtype = None,
    save: Annotated[
        bool, OUTPUT.option("--save", help="Save each branch as a session beside its file.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Continue one saved session in several styles, one file for each.

    All branches are made together, as rows of one batch. The session file stays as it is. To change
    controls alone, such as the tempo, use `soundstage generate --resume SESSION --control bpm=100`.
    """
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
        choice=choice,
        runner=RunnerChoice(runner),
        subtype=subtype,
    )
    run(request, open_progress(quiet))
