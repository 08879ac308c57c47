"""Makes functions commands: groups of options as one argument, --debug, and errors as lines."""

import inspect
from collections.abc import Callable, Collection, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from functools import wraps
from typing import Annotated, Any, get_args

import typer

from soundstage.apps.commands.exit_codes import errors_as_lines

# Whether the command that runs was told to print errors only.
QUIET: ContextVar[bool] = ContextVar("quiet", default=False)
KEYWORD_ONLY = inspect.Parameter.KEYWORD_ONLY
DEBUG = inspect.Parameter(
    "debug",
    KEYWORD_ONLY,
    default=False,
    annotation=Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")],
)


@dataclass(frozen=True)
class OptionGroup:
    """Options that a command receives as one value.

    A command has a parameter `Annotated[TYPE, OptionGroup(...)]`, without a default, in place of
    the options.

    Attributes:
        parameters: the options, as parameters that typer reads.
        read: returns the value; takes the options by name.
    """

    parameters: Sequence[inspect.Parameter]
    read: Callable[..., Any]

    @classmethod
    def of(cls, read: Callable[..., Any], without: Collection[str] = ()) -> "OptionGroup":
        """Returns the group of a function whose parameters are options.

        Args:
            read: the function.
            without: parameters that keep their default: the command has no such options.
        """
        parameters = inspect.signature(read, eval_str=True).parameters.values()
        return cls([each for each in parameters if each.name not in without], read)


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Makes a function a command, to be registered with typer.

    The command has the options of each `OptionGroup` in place of its parameter, and --debug. Its
    errors become lines on standard error and exit codes.

    Args:
        function: takes keywords only.
    """
    signature = inspect.signature(function, eval_str=True)
    groups: dict[str, OptionGroup] = {}
    parameters: list[inspect.Parameter] = []
    for parameter in signature.parameters.values():
        metadata = get_args(parameter.annotation)
        group = next((each for each in metadata if isinstance(each, OptionGroup)), None)
        if group is None:
            parameters.append(parameter)
        else:
            groups[parameter.name] = group
            parameters += group.parameters
    parameters = [each.replace(kind=KEYWORD_ONLY) for each in (*parameters, DEBUG)]

    # Without its annotations, which name the groups.
    @wraps(function, assigned=("__module__", "__name__", "__doc__"))
    def run(debug: bool, **options: Any) -> None:
        QUIET.set(bool(options.get("quiet")))
        with errors_as_lines(debug):
            values = {
                name: group.read(**{each.name: options.pop(each.name) for each in group.parameters})
                for name, group in groups.items()
            }
            function(**options, **values)

    # Typer makes a command's options of its signature.
    vars(run)["__signature__"] = signature.replace(parameters=parameters)
    return run
