"""From any fault to the lines a person reads and the status a command ends with."""

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, runtime_checkable

from runners.errors import UserError

INTERNAL = 70
STOPPED = 130

# By name, since importing the classes would import JAX even for `--help`. What was raised has
# been imported already.
CODES = {
    "graph.control:ControlError": 3,
    "runners.session_file:SessionFileError": 3,
    "graph.problem:PipelineError": 4,
    "stages.array_source:WeightsError": 5,
    "runners.runner:StageFailed": 7,
}


class CommandFailed(Exception):
    """A command has told what went wrong and ends with this status."""

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(f"exit code {code}")


@runtime_checkable
class Refusal(Protocol):
    """What the command-line parser raises; its class is not public in every version of typer."""

    exit_code: int

    def format_message(self) -> str:
        """The reason, in a sentence."""
        ...


@contextmanager
def errors_as_lines(debug: bool = False) -> Iterator[None]:
    """Turns whatever the block raises into lines on standard error and `CommandFailed`.

    Args:
        debug: print the traceback as well.

    Raises:
        CommandFailed: in place of every other exception but `SystemExit`, and of Ctrl-C.
        BrokenPipeError: as it is: whoever read standard output has left.
    """
    try:
        yield
    except (CommandFailed, BrokenPipeError):
        raise
    except KeyboardInterrupt as error:
        tell("stopped")
        raise CommandFailed(STOPPED) from error
    # The outermost frame of every command: nothing is swallowed, everything gets its code.
    except Exception as error:
        if debug:
            traceback.print_exc()
        for line in explain(error):
            tell(line)
        raise CommandFailed(exit_code(error)) from error


def exit_code(error: BaseException) -> int:
    """The status for a fault, from the table in `runners.errors`."""
    if isinstance(error, UserError | Refusal):
        return error.exit_code
    names = (f"{cls.__module__}:{cls.__qualname__}" for cls in type(error).__mro__)
    return next((CODES[name] for name in names if name in CODES), INTERNAL)


def explain(error: BaseException) -> list[str]:
    """What a person reads: one line, or one for each problem of a pipeline."""
    if isinstance(error, Refusal):
        said = error.format_message().replace("Value error, ", "").rstrip(".")
        return [f"{said}; --help lists what there is" if said.startswith("No such") else said]
    problems = getattr(error, "problems", None)
    if problems:
        return [str(problem) for problem in problems]
    said = str(error) or type(error).__name__
    if exit_code(error) != INTERNAL:
        return [said]
    return [f"unexpected {type(error).__name__}: {said}; please report it, with what --debug shows"]


def tell(line: str) -> None:
    """Prints one line on standard error, whatever characters the text holds."""
    text = " ".join(line.split())
    printable = "".join(c if c.isprintable() else "?" for c in text)
    print(f"soundstage: {printable}", file=sys.stderr, flush=True)
