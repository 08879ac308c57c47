"""The command `soundstage variants` and its options."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from soundstage.apps.commands.exit_codes import errors_as_lines
from soundstage.apps.commands.options import (
    MUSIC_PANEL,
    NO_CONTROLS,
    OUTPUT_PANEL,
    Allow,
    Controls,
    Debug,
    Pipeline,
    Place,
    Preset,
    Quiet,
    RayAddress,
    Runner,
    Set,
    Trace,
    Window,
    takes_controls,
)
from soundstage.apps.commands.pipeline_choice import choose
from soundstage.runners.choice import RunnerChoice

EXAMPLES = """Examples:

soundstage variants --prompt "warm pads" --prompt "jazz trio" --seeds 0-7 --output-dir pads

soundstage variants --list evening.toml --seeds 0-3 --output-dir evening --format flac"""

Prompt = Annotated[
    list[str] | None,
    typer.Option(
        "--prompt",
        metavar="TEXT",
        help="The text prompt of a variant. May be repeated: every prompt is made with every seed. "
        "Blends and audio prompts need a --list.",
        rich_help_panel=MUSIC_PANEL,
    ),
]
List = Annotated[
    Path | None,
    typer.Option(
        "--list",
        metavar="FILE",
        help="A .toml or .csv file with a variant a row: name, prompts, audio, and any control of "
        "the pipeline that is one number, such as seed.",
        rich_help_panel=MUSIC_PANEL,
    ),
]
Seeds = Annotated[
    str | None,
    typer.Option(
        metavar="SEEDS",
        help="Seeds, each 0 or more, such as 7, 0-7 or 1,4,10-19: every prompt and every row is "
        "made with each. Rows of a list with a seed of their own keep it.",
        show_default="the pipeline's",
        rich_help_panel=MUSIC_PANEL,
    ),
]
Duration = Annotated[
    float,
    typer.Option(
        metavar="SECONDS",
        help="Length of each variant: above 0, at most 86400 (24 hours); exact to the sample.",
        rich_help_panel=MUSIC_PANEL,
    ),
]
Batch = Annotated[
    int,
    typer.Option(
        metavar="N",
        help="Make at most N variants together, at least 1. A larger batch is faster and takes "
        "more memory.",
        rich_help_panel=MUSIC_PANEL,
    ),
]
OutputDir = Annotated[
    Path,
    typer.Option(
        "--output-dir",
        "-o",
        metavar="FOLDER",
        help="The folder for the files and for index.html, the page that plays them; made if it is "
        "missing.",
        rich_help_panel=OUTPUT_PANEL,
    ),
]
Format = Annotated[
    Literal["wav", "flac", "ogg", "mp3"],
    typer.Option("--format", help="The format of the audio files.", rich_help_panel=OUTPUT_PANEL),
]
Again = Annotated[
    bool,
    typer.Option(
        "--again",
        help="Make the variants again that the folder already holds.",
        rich_help_panel=OUTPUT_PANEL,
    ),
]


@takes_controls(without=("seed",))
def variants(
    prompt: Prompt = None,
    list_: List = None,
    seeds: Seeds = None,
    duration: Duration = 10.0,
    controls: Controls = NO_CONTROLS,
    batch: Batch = 8,
    preset: Preset = None,
    pipeline: Pipeline = None,
    set_: Set = None,
    place: Place = None,
    allow: Allow = None,
    runner: Runner = "local",
    ray_address: RayAddress = None,
    window: Window = None,
    output_dir: OutputDir = Path("variants"),
    format_: Format = "wav",
    again: Again = False,
    trace: Trace = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Make many pieces at once, to choose from.

    Every prompt with every seed, or every row of a list, becomes a file of its own. The page
    `index.html` plays them side by side. Variants that the folder already holds are not made
    again, so the same command continues a run that was stopped.
    """
    with errors_as_lines(debug):
        # late, as JAX and Arrow come with it
        from soundstage.apps.commands.variants.variants_request import (
            VariantFiles,
            VariantSelection,
            VariantsRequest,
        )
        from soundstage.apps.commands.variants.variation import make_variants
        from soundstage.progress import open_progress

        request = VariantsRequest(
            VariantSelection.parse(prompt, seeds, list_),
            VariantFiles(output_dir, f".{format_}", again, trace),
            duration_s=duration,
            controls=controls,
            choice=choose(None, preset, pipeline, set_, place, allow),
            batch=batch,
            runner=RunnerChoice(runner, ray_address, window),
        )
        make_variants(request, open_progress(quiet))
