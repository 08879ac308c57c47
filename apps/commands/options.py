"""Options that several commands share."""

import inspect
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from soundstage.apps.commands.command import KEYWORD_ONLY, OptionGroup
from soundstage.errors import UsageError
from soundstage.runners.choice import RunnerChoice, RunnerKind


@dataclass(frozen=True)
class Panel:
    """A titled part of a command's --help."""

    title: str

    def option(self, *flags: str, **settings: Any) -> Any:
        """Returns an option in the panel: `typer.Option` of its flags and settings."""
        return typer.Option(*flags, rich_help_panel=self.title, **settings)


MUSIC = Panel("Music")
PIPELINE = Panel("Pipeline")
OUTPUT = Panel("Output")

Preset = Annotated[
    str | None,
    PIPELINE.option(
        metavar="NAME",
        help="A pipeline that ships with soundstage; `soundstage presets` lists them.",
    ),
]
Pipeline = Annotated[
    Path | None,
    PIPELINE.option(
        metavar="FILE",
        help="A pipeline file. With --preset as well, the graph is the file's, and stages that "
        "both have take their parameters from the preset.",
    ),
]
Set = Annotated[
    list[str] | None,
    PIPELINE.option(
        "--set",
        metavar="KEY=VALUE",
        help="Change an entry of the pipeline, e.g. decode.use=stages.toy:SineDecode or "
        "sample.params.size=large. May be repeated.",
    ),
]
Place = Annotated[
    list[str] | None,
    PIPELINE.option(
        metavar="STAGE=DEVICE",
        help="The device of a stage, e.g. decode=cpu or sample=gpu:0. May be repeated.",
    ),
]
Allow = Annotated[
    list[str] | None,
    PIPELINE.option(
        metavar="PREFIX",
        help="Allow stages from modules whose name starts with this prefix. May be repeated.",
    ),
]
Named = Annotated[
    str | None,
    typer.Argument(
        metavar="PIPELINE",
        help="A pipeline file or the name of a preset; without it, pipeline.toml of the working "
        "directory, or else the default preset.",
        show_default=False,
    ),
]
Runner = Annotated[
    RunnerKind,
    PIPELINE.option(
        help="Where the stages run: in this process, or in Ray actors on the devices and machines "
        "that the placement names."
    ),
]
RayAddress = Annotated[
    str | None,
    PIPELINE.option(
        metavar="ADDRESS",
        help="The address of a running Ray cluster: auto, or HOST:PORT. Without it, --runner ray "
        "starts a cluster on this machine.",
    ),
]
Window = Annotated[
    int | None,
    PIPELINE.option(
        metavar="N",
        help="Chunks in flight at once, at least 1. A larger window keeps more devices busy; the "
        "audio is the same.",
        show_default="2, with Ray 4",
    ),
]
Validate = Annotated[
    bool,
    PIPELINE.option(
        "--validate",
        help="Call every stage twice and compare the outputs, to find one that breaks the contract "
        "of stages. Takes twice the time.",
    ),
]
Trace = Annotated[
    Path | None,
    OUTPUT.option(
        metavar="JSON",
        help="Write a timeline of all stages for ui.perfetto.dev, and print the time of each.",
    ),
]
Subtype = Annotated[
    str | None,
    OUTPUT.option(
        metavar="NAME",
        help="How samples are stored: PCM_16, PCM_24, PCM_32, PCM_U8, FLOAT or DOUBLE in .wav; "
        "PCM_16, PCM_24 or PCM_S8 in .flac; VORBIS or OPUS in .ogg.",
        show_default="the first of the format",
    ),
]
Quiet = Annotated[bool, OUTPUT.option("--quiet", "-q", help="Print errors only.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def choose_runner(
    runner: Runner = "local",
    ray_address: RayAddress = None,
    window: Window = None,
    validate: Validate = False,
) -> RunnerChoice:
    """Returns the choice that a command's options make.

    Raises:
        UsageError: as `RunnerChoice`.
    """
    return RunnerChoice(runner, ray_address, window, validate=validate)


RunnerOptions = Annotated[RunnerChoice, OptionGroup.of(choose_runner)]


@dataclass(frozen=True)
class ShortOption:
    """An option of its own for a control that many pipelines have.

    Attributes:
        option: what is written on the command line.
        type: the type of its value.
        help: one line.
    """

    option: str
    type: type[int] | type[float]
    help: str


# The controls that have an option of their own; --control takes every other one.
SHORT_OPTIONS = {
    "seed": ShortOption("--seed", int, "The same seed gives the same bytes."),
    "temperature": ShortOption("--temperature", float, "How adventurous the choice of tokens is."),
    "top_k": ShortOption(
        "--top-k", int, "Choose among so many of the likeliest tokens; 0 = among all."
    ),
    "guidance": ShortOption("--guidance", float, "How strongly the prompts lead; 0 = off."),
}
CONTROL_OPTION = "--control"

# The controls that a command line names, by name.
Controls = Mapping[str, int | float | str]


def control_options(default: str = "the pipeline's", without: Collection[str] = ()) -> OptionGroup:
    """Returns the options of `SHORT_OPTIONS` and --control, read as `Controls`.

    Names and ranges are checked where the pipeline is known.

    Args:
        default: what is in force without an option, for --help.
        without: controls whose short option the command leaves out.
    """
    short = {
        name: Annotated[
            row.type | None, MUSIC.option(row.option, help=row.help, show_default=default)
        ]
        for name, row in SHORT_OPTIONS.items()
        if name not in without
    }
    every = Annotated[
        list[str] | None,
        MUSIC.option(
            CONTROL_OPTION,
            metavar="NAME=VALUE",
            help="Set any control of the pipeline that is one number, e.g. bpm=120. `soundstage "
            "graph` lists the controls. May be repeated.",
            show_default=default,
        ),
    ]
    parameters = [
        inspect.Parameter(name, KEYWORD_ONLY, default=None, annotation=annotation)
        for name, annotation in (short | {"control": every}).items()
    ]
    return OptionGroup(parameters, read_controls)


def read_controls(control: Sequence[str] | None, **short: int | float | None) -> Controls:
    """Returns the controls that a command's options set.

    Args:
        control: those of --control.
        short: the short options, by control.

    Raises:
        UsageError: an option is not NAME=VALUE, or a control is set twice.
    """
    controls: dict[str, int | float | str] = {
        name: value for name, value in short.items() if value is not None
    }
    for text in control or ():
        name, equals, number = text.partition("=")
        if not (name and equals and number):
            raise UsageError(f"{CONTROL_OPTION} {text}: write NAME=VALUE, e.g. temperature=0.9")
        if name in controls:
            raise UsageError(f"{CONTROL_OPTION} {text}: {name} is set twice; set it once")
        controls[name] = _number(number)
    return controls


def _number(text: str) -> int | float | str:
    # late, as NumPy comes with it
    from soundstage.graph.control import read_number

    return read_number(text)


ControlOptions = Annotated[Controls, control_options()]
