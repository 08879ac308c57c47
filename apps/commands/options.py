"""Options that several commands share."""

import inspect
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import typer

from soundstage.errors import UsageError
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
    "top_k": ShortOption("--top-k", int, "Choose among so many of the likeliest tokens."),
    "guidance": ShortOption("--guidance-weight", float, "How strongly the prompts lead; 0 = off."),
}
CONTROL_OPTION = "--control"

# The controls that a command line names, by name.
Controls = Mapping[str, int | float | str]
NO_CONTROLS: Controls = MappingProxyType({})


def takes_controls(
    default: str = "the pipeline's", without: Collection[str] = ()
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a command the options of `SHORT_OPTIONS` and --control, in place of `controls`.

    The command has a parameter `controls: Controls = NO_CONTROLS`, which receives what the options
    name. Names and ranges are checked where the pipeline is known.

    Args:
        default: what is in force without an option, for --help.
        without: controls whose short option the command leaves out.
    """
    short = {name: option for name, option in SHORT_OPTIONS.items() if name not in without}

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(command, eval_str=True)
        parameters: list[inspect.Parameter] = []
        for parameter in signature.parameters.values():
            if parameter.name == "controls":
                parameters += _control_parameters(short, default)
            else:
                parameters.append(parameter)

        @wraps(command)
        def run(**arguments: Any) -> None:
            values = {name: arguments.pop(name) for name in short}
            controls = _controls(values, arguments.pop("control") or ())
            command(controls=controls, **arguments)

        # Typer makes a command's options of its signature.
        vars(run)["__signature__"] = signature.replace(parameters=parameters)
        return run

    return decorate


def _control_parameters(
    short: Mapping[str, ShortOption], default: str
) -> Iterator[inspect.Parameter]:
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    for name, row in short.items():
        option = typer.Option(
            None, row.option, help=row.help, show_default=default, rich_help_panel=MUSIC_PANEL
        )
        yield inspect.Parameter(name, kind, default=option, annotation=row.type | None)
    every = typer.Option(
        None,
        CONTROL_OPTION,
        metavar="NAME=VALUE",
        help="Set any control of the pipeline that is one number, e.g. inject_own=0.5. May be "
        "repeated.",
        show_default=default,
        rich_help_panel=MUSIC_PANEL,
    )
    yield inspect.Parameter("control", kind, default=every, annotation=list[str] | None)


def _controls(values: Mapping[str, int | float | None], written: Iterable[str]) -> Controls:
    """Puts the options together.

    Args:
        values: those of the short options, by control.
        written: those of --control.

    Raises:
        UsageError: an option is not NAME=VALUE, or a control is set twice.
    """
    controls: dict[str, int | float | str] = {
        name: value for name, value in values.items() if value is not None
    }
    for text in written:
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
