"""`soundstage variants`: its options, and nothing else."""

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
        help="What a variant should sound like. May be repeated: each is made with every seed. "
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
        help="Such as 7, 0-7 or 1,4,10-19. Rows of a list that name a seed keep it.",
        show_default="the pipeline's",
        rich_help_panel=MUSIC_PANEL,
    ),
]
Duration = Annotated[
    float,
    typer.Option(
        metavar="SECONDS",
        help="Of each variant: above 0, at most 24 hours; kept to the sample.",
        rich_help_panel=MUSIC_PANEL,
    ),
]
Batch = Annotated[
    int,
    typer.Option(
        metavar="N",
        help="Make at most so many together; more is faster and takes more memory.",
        rich_help_panel=MUSIC_PANEL,
    ),
]
OutputDir = Annotated[
    Path,
    typer.Option(
        "--output-dir",
        "-o",
        metavar="FOLDER",
        help="Where the files go, with index.html to listen to them; made if it is missing.",
        rich_help_panel=OUTPUT_PANEL,
    ),
]
Format = Annotated[
    Literal["wav", "flac", "ogg", "mp3"],
    typer.Option("--format", help="Of the audio files.", rich_help_panel=OUTPUT_PANEL),
]
Again = Annotated[
    bool,
    typer.Option(
        "--again",
        help="Make those variants too that are there already.",
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

    Every prompt with every seed, or every row of a list, becomes a file of its own;
    `index.html` plays them side by side. What is there already is not made again, so the same
    command goes on where it was stopped.
    """
    with errors_as_lines(debug):
        # late, as JAX and Arrow come with it
        from soundstage.apps.commands.variants.variants_request import (
            VariantFiles,
            VariantsRequest,
            Wanted,
        )
        from soundstage.apps.commands.variants.variation import make_variants
        from soundstage.progress import open_progress

        order = VariantsRequest(
            Wanted.read(prompt, seeds, list_),
            VariantFiles(output_dir, f".{format_}", again, trace),
            duration_s=duration,
            controls=controls,
            choice=choose(None, preset, pipeline, set_, place, allow),
            batch=batch,
            runner=RunnerChoice(runner, ray_address, window),
        )
        make_variants(order, open_progress(quiet))
