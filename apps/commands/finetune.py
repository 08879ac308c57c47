"""The command `soundstage finetune` and its options."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from soundstage.apps.commands.command import command
from soundstage.apps.commands.options import Panel
from soundstage.apps.commands.pipeline_choice import PipelineOptions
from soundstage.errors import UsageError

TRAINING = Panel("Training")
# Clips of each file whose style is learned.
CLIPS = 8
EXAMPLES = """Examples:

soundstage finetune --preset demo --data my-music --output mine

soundstage generate "warm pads" --pipeline mine/pipeline.toml

soundstage finetune --pipeline pipeline.toml --data my-music --output mine --steps 300"""

Data = Annotated[
    Path,
    typer.Option(
        metavar="FOLDER",
        help="A folder of audio files, each 2 s or longer. A .txt file with the name of an audio "
        "file describes it, one description on each line.",
    ),
]
Output = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        metavar="NAME",
        help="The folder to write: NAME/pipeline.toml is the new pipeline. If it holds a stopped "
        "run with the same options, this run is continued.",
    ),
]
HeldOut = Annotated[
    float, TRAINING.option(help="The share of the files that are only checked with, 0 to below 1.")
]
Steps = Annotated[int, TRAINING.option(min=1, help="Stop after this many steps, at least 1.")]
Minutes = Annotated[
    float | None,
    TRAINING.option(
        min=0.01, help="Stop after this many minutes, at least 0.01.", show_default="no limit"
    ),
]
Rate = Annotated[
    float, TRAINING.option(min=1e-8, max=1.0, help="The highest learning rate, 1e-8 to 1.")
]
Rows = Annotated[int, TRAINING.option(min=1, help="Examples in a step, at least 1.")]
CheckEvery = Annotated[int, TRAINING.option(min=1, help="Steps between two checks, at least 1.")]
Patience = Annotated[
    int,
    TRAINING.option(min=1, help="Stop after this many checks without an improvement, at least 1."),
]
Seed = Annotated[
    int,
    TRAINING.option(
        min=0, help="The seed of the examples, 0 or more: equal seeds give equal runs."
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]


@command
def finetune(
    data: Data,
    output: Output,
    choice: PipelineOptions,
    steps: Steps = 1000,
    minutes: Minutes = None,
    rate: Rate = 1e-4,
    rows: Rows = 4,
    held_out: HeldOut = 0.1,
    check_every: CheckEvery = 50,
    patience: Patience = 5,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Train a pipeline's transformer to play more like a folder of audio.

    The audio is encoded to tokens once. Training is checked on files that are held out, stops when
    these checks no longer improve, and keeps the best weights.
    """
    with _reporting_missing_extra():
        from soundstage.training.finetuning import PIPELINE_FILE, WEIGHTS_FILE, FinetuneRequest
        from soundstage.training.finetuning import finetune as run
    from soundstage.apps.commands.same_files import music_inputs, refuse_inputs_as_outputs
    from soundstage.progress import open_progress

    graph = choice.load()
    outputs = [("--output", output / name) for name in (PIPELINE_FILE, WEIGHTS_FILE)]
    refuse_inputs_as_outputs(outputs, music_inputs(choice, (), graph))
    limits = (steps, minutes, rate, rows, check_every, patience, seed)
    request = FinetuneRequest(data, output, held_out, CLIPS, *limits)
    pipeline_file = run(graph, request, open_progress(quiet), quiet)
    if not quiet:
        print(pipeline_file)


@contextmanager
def _reporting_missing_extra() -> Iterator[None]:
    """Turns a failed import of what only training needs into one line.

    Raises:
        UsageError: a library of the extra `train` is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise UsageError(
            f"fine-tuning needs {error.name}, which is not installed: "
            "in soundstage's source folder, run pip install '.[train]'"
        ) from error
