"""Options that several commands share, said once."""

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
        help="A pipeline file. With --preset as well, the file is the graph and the preset "
        "gives the settings of the stages that both have.",
        rich_help_panel=PIPELINE_PANEL,
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change the pipeline, e.g. decode.use=stages.toy:SineDecode or "
        "sample.params.size=large. May be repeated.",
        rich_help_panel=PIPELINE_PANEL,
    ),
]
Place = Annotated[
    list[str] | None,
    typer.Option(
        "--place",
        metavar="STAGE=DEVICE",
        help="Where a stage runs, e.g. decode=cpu or sample=gpu:0. May be repeated.",
        rich_help_panel=PIPELINE_PANEL,
    ),
]
Allow = Annotated[
    list[str] | None,
    typer.Option(
        "--allow",
        metavar="PREFIX",
        help="Also let the pipeline use stages from modules whose name starts so.",
        rich_help_panel=PIPELINE_PANEL,
    ),
]
Named = Annotated[
    str | None,
    typer.Argument(
        metavar="PIPELINE",
        help="A pipeline file or a preset's name; the default preset if left out.",
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
        help="What runs the stages: this process, or Ray actors on as many devices and machines "
        "as the placement names.",
        rich_help_panel=PIPELINE_PANEL,
    ),
]
RayAddress = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="A running Ray cluster: auto, or host:port. Without it, --runner ray starts one on "
        "this machine.",
        rich_help_panel=PIPELINE_PANEL,
    ),
]
Window = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Chunks under way at once. More keep more devices busy; no byte changes.",
        show_default="2, with Ray 4",
        rich_help_panel=PIPELINE_PANEL,
    ),
]
Trace = Annotated[
    Path | None,
    typer.Option(
        metavar="JSON",
        help="Draw a timeline of every stage for ui.perfetto.dev, and print how long each takes.",
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
