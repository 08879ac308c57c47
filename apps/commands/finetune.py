"""`soundstage finetune`: its options, and nothing else."""

from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer

from soundstage.apps.commands.exit_codes import errors_as_lines
from soundstage.apps.commands.options import Allow, Debug, Pipeline, Place, Preset, Set
from soundstage.errors import UsageError

TRAINING_PANEL = "Training"
EXAMPLES = """Examples:

soundstage finetune --preset demo --data my-music --output mine

soundstage generate "warm pads" --pipeline mine/pipeline.toml

soundstage finetune --pipeline pipeline.toml --data my-music --output mine --steps 300"""

Data = Annotated[
    Path,
    typer.Option(
        metavar="FOLDER",
        help="Audio files of any kind, of 2 s or more. A .txt file beside one, of the same name, "
        "describes it, a line a description.",
    ),
]
Output = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        metavar="NAME",
        help="The folder to make: NAME/pipeline.toml is the new pipeline. If it is there, the run "
        "goes on.",
    ),
]
HeldOut = Annotated[
    float,
    typer.Option(
        "--held-out", help="Share of the files to check with.", rich_help_panel=TRAINING_PANEL
    ),
]
Steps = Annotated[
    int, typer.Option(min=1, help="Stop after so many steps.", rich_help_panel=TRAINING_PANEL)
]
Minutes = Annotated[
    float | None,
    typer.Option(min=0.01, help="Stop after so long.", rich_help_panel=TRAINING_PANEL),
]
Rate = Annotated[
    float,
    typer.Option(
        min=1e-8, max=1.0, help="The highest learning rate.", rich_help_panel=TRAINING_PANEL
    ),
]
Rows = Annotated[int, typer.Option(min=1, help="Examples a step.", rich_help_panel=TRAINING_PANEL)]
CheckEvery = Annotated[
    int, typer.Option(min=1, help="Steps between two checks.", rich_help_panel=TRAINING_PANEL)
]
Patience = Annotated[
    int,
    typer.Option(
        min=1,
        help="Stop after so many checks without a better one.",
        rich_help_panel=TRAINING_PANEL,
    ),
]
Seed = Annotated[
    int, typer.Option(min=0, help="The same seed, the same run.", rich_help_panel=TRAINING_PANEL)
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]


def finetune(
    data: Data,
    output: Output,
    preset: Preset = None,
    pipeline: Pipeline = None,
    steps: Steps = 1000,
    minutes: Minutes = None,
    rate: Rate = 1e-4,
    rows: Rows = 4,
    held_out: HeldOut = 0.1,
    check_every: CheckEvery = 50,
    patience: Patience = 5,
    seed: Seed = 0,
    set_: Set = None,
    place: Place = None,
    allow: Allow = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Teach a pipeline's transformer to play more like a folder of audio.

    Audio becomes tokens once; training checks itself on files that are held out, stops when that
    gets no better, and keeps the best weights.
    """
    with errors_as_lines(debug):
        training = _training()
        from soundstage.apps.commands.pipeline_choice import choose
        from soundstage.progress import open_progress

        graph = choose(None, preset, pipeline, set_, place, allow).load()
        limits = (steps, minutes, rate, rows, check_every, patience, seed)
        order = training.FinetuneRequest(data, output, held_out, 8, *limits)
        made = training.finetune(graph, order, open_progress(quiet), quiet)
        if not quiet:
            print(made)


def _training() -> ModuleType:
    """The package `training`, which nothing else needs.

    Raises:
        UsageError: what it needs is not installed.
    """
    try:
        from soundstage.training import finetuning
    except ModuleNotFoundError as error:
        raise UsageError(
            f"fine-tuning needs {error.name}, which is not installed: "
            'pip install "soundstage[train]"'
        ) from error
    return finetuning
