"""The command `soundstage variants` and its options."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from soundstage.apps.commands.command import command
from soundstage.apps.commands.options import (
    MUSIC,
    OUTPUT,
    Controls,
    Quiet,
    RunnerOptions,
    Subtype,
    Trace,
    control_options,
)
from soundstage.apps.commands.pipeline_choice import PipelineOptions

EXAMPLES = """Examples:

soundstage variants "warm pads" "jazz trio" --seeds 0-7 --output-dir pads

soundstage variants --list evening.toml --seeds 0-3 --output-dir evening --format flac"""

Prompts = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="PROMPT", help="The text prompt of a variant, as --prompt.", show_default=False
    ),
]
Prompt = Annotated[
    list[str] | None,
    MUSIC.option(
        metavar="TEXT",
        help="The text prompt of a variant. May be repeated: every prompt is made with every seed. "
        "Blends and audio prompts need a --list.",
    ),
]
StyleVector = Annotated[
    list[str] | None,
    MUSIC.option(
        metavar="FILE",
        help="A style vector as the prompt of a variant: a .npy file of floats, such as numpy.save "
        "writes of `session.embed` in Python. May be repeated, like --prompt.",
    ),
]
List = Annotated[
    Path | None,
    MUSIC.option(
        "--list",
        metavar="FILE",
        help="A .toml or .csv file with a variant a row: name, prompts, audio, styles, and any "
        "control of the pipeline that is one number, such as seed.",
    ),
]
Seeds = Annotated[
    str | None,
    MUSIC.option(
        metavar="SEEDS",
        help="Seeds, each 0 or more, such as 7, 0-7 or 1,4,10-19: every prompt and every row is "
        "made with each. Rows of a list with a seed of their own keep it.",
        show_default="the pipeline's",
    ),
]
Duration = Annotated[
    float,
    MUSIC.option(
        metavar="SECONDS",
        help="Length of each variant: above 0, at most 86400 (24 hours); exact to the sample.",
    ),
]
Batch = Annotated[
    int,
    MUSIC.option(
        metavar="N",
        help="Make at most N variants together, at least 1. A larger batch is faster and takes "
        "more memory.",
    ),
]
OutputDir = Annotated[
    Path,
    OUTPUT.option(
        "--output-dir",
        "-o",
        metavar="FOLDER",
        help="The folder for the files and for index.html, the page that plays them; made if it is "
        "missing.",
    ),
]
Format = Annotated[
    Literal["wav", "flac", "ogg", "mp3"],
    OUTPUT.option("--format", help="The format of the audio files."),
]
Again = Annotated[
    bool, OUTPUT.option("--again", help="Make the variants again that the folder already holds.")
]


@command
def variants(
    *,
    prompts: Prompts = None,
    prompt: Prompt = None,
    style: StyleVector = None,
    list_: List = None,
    seeds: Seeds = None,
    duration: Duration = 10.0,
    controls: Annotated[Controls, control_options(without=["seed"])],
    batch: Batch = 8,
    choice: PipelineOptions,
    runner: RunnerOptions,
    output_dir: OutputDir = Path("variants"),
    format_: Format = "wav",
    subtype: Subtype = None,
    again: Again = False,
    trace: Trace = None,
    quiet: Quiet = False,
) -> None:
    """Make many pieces at once, to choose from.

    Every prompt with every seed, or every row of a list, becomes a file of its own. The page
    `index.html` plays them side by side. Variants that the folder already holds are not made
    again, so the same command continues a run that was stopped.
    """
    # late, as JAX and Arrow come with it
    from soundstage.apps.commands.variants.variants_request import (
        VariantFiles,
        VariantSelection,
        VariantsRequest,
    )
    from soundstage.apps.commands.variants.variation import make_variants
    from soundstage.progress import open_progress

    request = VariantsRequest(
        VariantSelection.parse([*(prompts or []), *(prompt or [])], [*(style or [])], seeds, list_),
        VariantFiles(output_dir, f".{format_}", again, trace, subtype),
        duration_s=duration,
        controls=controls,
        choice=choice,
        batch=batch,
        runner=runner,
    )
    make_variants(request, open_progress(quiet))
