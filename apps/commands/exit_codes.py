"""Turns errors into lines on standard error and into exit codes."""

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, runtime_checkable

from soundstage.errors import Error, OutputError
from soundstage.interrupts import exit_code as stopped_code
from soundstage.interrupts import is_stopping
from soundstage.standard_streams import print_message

INTERNAL = 70


class CommandFailed(Exception):
    """Ends a command that has printed all of its messages, with an exit code."""

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(f"exit code {code}")


@runtime_checkable
class Refusal(Protocol):
    """An error of the command-line parser; its class is not public in every version of typer."""

    exit_code: int

    def format_message(self) -> str:
        """Returns the reason, in a sentence."""
        ...


@contextmanager
def errors_as_lines(debug: bool = False) -> Iterator[None]:
    """Turns any exception of the block into lines on standard error and `CommandFailed`.

    Args:
        debug: whether to print the traceback as well.

    Raises:
        CommandFailed: in place of every other exception but `SystemExit`, and of Ctrl-C.
    """
    try:
        yield
    except CommandFailed:
        raise
    except BrokenPipeError as error:
        # The reader of standard output has left, as in `soundstage ... | head`: no error.
        _settle_output()
        raise CommandFailed(0) from error
    except KeyboardInterrupt as error:
        if not is_stopping():  # else the last line of the process tells so
            print_error("stopped")
        raise CommandFailed(stopped_code()) from error
    # The outermost frame of every command: each exception is printed and has an exit code.
    except Exception as error:
        if debug:
            traceback.print_exc()
        for line in explain(error):
            print_error(line)
        _settle_output()
        raise CommandFailed(exit_code(error)) from error


def _is_about_output(error: BaseException) -> bool:
    """Whether printing failed: unlike errors of files, this one has no file name."""
    return isinstance(error, OSError) and error.filename is None


def _settle_output() -> None:
    """Flushes standard output, or drops what it holds, since Python would fail to at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)


def exit_code(error: BaseException) -> int:
    """Returns the exit code of an exception, from the table in `soundstage.errors`."""
    if isinstance(error, Error | Refusal):
        return error.exit_code
    if _is_about_output(error):
        return OutputError.exit_code
    return INTERNAL


def explain(error: BaseException) -> list[str]:
    """Returns an exception as lines: one, or one for each problem of a pipeline or list."""
    if isinstance(error, Refusal):
        message = error.format_message().replace("Value error, ", "").rstrip(".")
        unknown = message.startswith("No such")
        return [f"{message}; --help lists the valid ones" if unknown else message]
    problems = getattr(error, "problems", None)
    if problems:
        return [str(problem) for problem in problems]
    if isinstance(error, OSError) and _is_about_output(error):
        return [f"standard output: cannot be written: {error.strerror or error}"]
    message = str(error) or type(error).__name__
    if exit_code(error) != INTERNAL:
        return [message]
    kind = type(error).__name__
    return [f"unexpected {kind}: {message}; please report it, with the output of --debug"]


def print_error(line: str) -> None:
    """Prints one line on standard error, with ? in place of unprintable characters."""
    text = " ".join(line.split())
    printable = "".join(c if c.isprintable() else "?" for c in text)
    print_message(f"soundstage: {printable}")
