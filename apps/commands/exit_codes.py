"""From any fault to the lines a person reads and the status a command ends with."""

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, runtime_checkable

from soundstage.errors import Error, OutputError

INTERNAL = 70
STOPPED = 130


class CommandFailed(Exception):
    """A command has told what there is to tell and ends with this status."""

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
    """
    try:
        yield
    except CommandFailed:
        raise
    except BrokenPipeError as error:
        # `soundstage ... | head` is done when head is.
        _settle_output()
        raise CommandFailed(0) from error
    except KeyboardInterrupt as error:
        tell("stopped")
        raise CommandFailed(STOPPED) from error
    # The outermost frame of every command: nothing is swallowed, everything gets its code.
    except Exception as error:
        if debug:
            traceback.print_exc()
        for line in explain(error):
            tell(line)
        _settle_output()
        raise CommandFailed(exit_code(error)) from error


def _is_about_output(error: BaseException) -> bool:
    """Whether printing failed: what has a file name was told by whoever opened the file."""
    return isinstance(error, OSError) and error.filename is None


def _settle_output() -> None:
    """Sends what is held for standard output, or drops it: at exit, Python would complain."""
    try:
        sys.stdout.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def exit_code(error: BaseException) -> int:
    """The status for a fault, from the table in `soundstage.errors`."""
    if isinstance(error, Error | Refusal):
        return error.exit_code
    if _is_about_output(error):
        return OutputError.exit_code
    return INTERNAL


def explain(error: BaseException) -> list[str]:
    """What a person reads: one line, or one for each problem of a pipeline."""
    if isinstance(error, Refusal):
        said = error.format_message().replace("Value error, ", "").rstrip(".")
        return [f"{said}; --help lists what there is" if said.startswith("No such") else said]
    problems = getattr(error, "problems", None)
    if problems:
        return [str(problem) for problem in problems]
    if isinstance(error, OSError) and _is_about_output(error):
        return [f"standard output: cannot be written: {error.strerror or error}"]
    said = str(error) or type(error).__name__
    if exit_code(error) != INTERNAL:
        return [said]
    return [f"unexpected {type(error).__name__}: {said}; please report it, with what --debug shows"]


def tell(line: str) -> None:
    """Prints one line on standard error, whatever characters the text holds."""
    text = " ".join(line.split())
    printable = "".join(c if c.isprintable() else "?" for c in text)
    print(f"soundstage: {printable}", file=sys.stderr, flush=True)
