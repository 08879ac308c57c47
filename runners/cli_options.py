"""Options that several commands share, said once."""

from pathlib import Path
from typing import Annotated

import typer

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
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
