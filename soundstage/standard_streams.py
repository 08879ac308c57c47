"""Standard output and error of a command, also where they are closed or their terminal is gone."""

import os
import sys


def open_missing_streams() -> None:
    """Opens the null device in place of standard streams that the parent process has closed.

    Otherwise the next file to be opened would take their place.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
                os.close(null)
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))


def print_message(line: str) -> None:
    """Prints a line on standard error; a standard error that nobody reads is no error."""
    try:
        print(line, file=sys.stderr, flush=True)
    except OSError:
        # What is left in the buffer would fail again at exit.
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stderr.fileno())
        os.close(null)
