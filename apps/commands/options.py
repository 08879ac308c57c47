"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from soundstage.runners.choice import RunnerKind

MUSIC_PANEL = "Music"
PIPELINE_PANEL = "Pipeline"
OUTPUT_PANEL = "Output"

Preset = Annotated[
    str | None,
    typer.Option(
        "--preset",
        metavar="NAME",
        help="A pipeline that ships with soundstage; `soundstage presets` lists them.",
        rich_help_panel=PIPELINE_PANEL,
    ),
]
Pipeline = Annotated[
    Path | None,
    typer.Option(
        "--pipeline",
        metavar="FILE",
        help="A pipeline file. With --preset as well, the graph is the file's, and stages that "
        "both have take their parameters from the preset.",
        rich_help_panel=PIPELINE_PANEL,
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change an entry of the pipeline, e.g. decode.use=stages.toy:SineDecode or "
        "sample.params.size=large. May be repeated.",
        rich_help_panel=PIPELINE_PANEL,
    ),
]
Place = Annotated[
    list[str] | None,
    typer.Option(
        "--place",
        metavar="STAGE=DEVICE",
        help="The device of a stage, e.g. decode=cpu or sample=gpu:0. May be repeated.",
        rich_help_panel=PIPELINE_PANEL,
    ),
]
Allow = Annotated[
    list[str] | None,
    typer.Option(
        "--allow",
        metavar="PREFIX",
        help="Allow stages from modules whose name starts with this prefix. May be repeated.",
        rich_help_panel=PIPELINE_PANEL,
    ),
]
Named = Annotated[
    str | None,
    typer.Argument(
        metavar="PIPELINE",
        help="A pipeline file or the name of a preset; without it, the default preset.",
        show_default=False,
    ),
]
Temperature = Annotated[
    float | None,
    typer.Option(
        help="How adventurous the choice of tokens is.",
        show_default="the pipeline's",
        rich_help_panel=MUSIC_PANEL,
    ),
]
TopK = Annotated[
    int | None,
    typer.Option(
        "--top-k",
        help="Choose among so many of the likeliest tokens.",
        show_default="the pipeline's",
        rich_help_panel=MUSIC_PANEL,
    ),
]
Guidance = Annotated[
    float | None,
    typer.Option(
        "--guidance-weight",
        help="How strongly the prompts lead; 0 = off.",
        show_default="the pipeline's",
        rich_help_panel=MUSIC_PANEL,
    ),
]
Runner = Annotated[
    RunnerKind,
    typer.Option(
        "--runner",
        help="Where the stages run: in this process, or in Ray actors on the devices and machines "
        "that the placement names.",
        rich_help_panel=PIPELINE_PANEL,
    ),
]
RayAddress = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="The address of a running Ray cluster: auto, or HOST:PORT. Without it, --runner ray "
        "starts a cluster on this machine.",
        rich_help_panel=PIPELINE_PANEL,
    ),
]
Window = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Chunks in flight at once, at least 1. A larger window keeps more devices busy; the "
        "audio is the same.",
        show_default="2, with Ray 4",
        rich_help_panel=PIPELINE_PANEL,
    ),
]
Trace = Annotated[
    Path | None,
    typer.Option(
        metavar="JSON",
        help="Write a timeline of all stages for ui.perfetto.dev, and print the time of each.",
        rich_help_panel=OUTPUT_PANEL,
    ),
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print errors only.", rich_help_panel=OUTPUT_PANEL)
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


def given(
    seed: int | None, temperature: float | None, top_k: int | None, guidance: float | None
) -> dict[str, float | int]:
    """The controls that a command line names, by name."""
    asked = {"seed": seed, "temperature": temperature, "top_k": top_k, "guidance": guidance}
    return {name: value for name, value in asked.items() if value is not None}
