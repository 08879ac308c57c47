"""Turns a forked process into that of a command, and ends it as the interpreter does."""

import importlib
import io
import os
import signal
import sys
import types
from dataclasses import dataclass
from pathlib import Path

from fork_client import FORWARDED

# Arguments of Python that stand for code which is no file.
CODE = ("-c", "-")

# The exit code of a command that has come to its end; none of the server itself.
_codes: list[int] = []


@dataclass(frozen=True)
class Request:
    """A command line after `python`, and what its process is to have.

    Attributes:
        arguments: `-c CODE`, `-` or a script, and the arguments of that; others cannot be forked.
        folder: the current folder.
        environment: all variables.
        umask: the permissions that new files do not get.
        ignored: numbers of the signals that the command ignores.
        streams: descriptors in this process for its standard input, output and error.
    """

    arguments: list[str]
    folder: str
    environment: dict[bytes, bytes]
    umask: int
    ignored: list[int]
    streams: list[int]


def become(request: Request, common_paths: list[str]) -> None:
    """Turns this forked process into one that has just begun to run the command.

    Args:
        request: the command.
        common_paths: what follows the folders of PYTHONPATH in `sys.path`.
    """
    os.setsid()
    for number, stream in enumerate(request.streams):
        os.dup2(stream, number)
        os.close(stream)
    os.umask(request.umask)
    os.chdir(request.folder)
    os.environb.clear()
    os.environb.update(request.environment)
    for number in FORWARDED:
        handler = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
        signal.signal(number, signal.SIG_IGN if number in request.ignored else handler)
    sys.stdin = sys.__stdin__ = _stream(0, sys.stdin)
    sys.stdout = sys.__stdout__ = _stream(1, sys.stdout)
    sys.stderr = sys.__stderr__ = _stream(2, sys.stderr)
    first = request.arguments[0]
    sys.argv = request.arguments[1:] if first == "-c" else list(request.arguments)
    sys.argv[0] = first
    paths = [*python_paths(os.environ.get("PYTHONPATH", "")), *common_paths]
    sys.path[:] = [start_folder(first, request.folder), *dict.fromkeys(paths)]
    importlib.invalidate_caches()
    sys.modules["numpy"].random.seed()  # the server's state would be the same for all commands


def run_main(arguments: list[str]) -> None:
    """Runs the main module of a command line in this process, as `python ARGUMENTS` does."""
    main = types.ModuleType("__main__")
    main.__annotations__ = {}
    sys.modules["__main__"] = main
    match arguments[0]:
        case "-c":
            name, code = "<string>", arguments[1].encode("utf-8", "surrogateescape")
        case "-":
            name, code = "<stdin>", sys.stdin.buffer.read()
        case script:
            name, code = os.path.abspath(script), Path(script).read_bytes()
    if arguments[0] != "-c":
        main.__file__ = name
    try:
        exec(compile(code, name, "exec"), main.__dict__)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            _codes.append((end.code or 0) & 0xFF)
        raise
    _codes.append(0)


def leave() -> None:
    """Ends the process of a command that came to its end; to be registered before all else.

    The interpreter has joined threads and called what else is registered for its end. Now it would
    take apart the libraries, for which the system would copy their pages: a tenth of a second.
    """
    if _codes:
        sys.modules["__main__"].__dict__.clear()  # writes files that are still open
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except (OSError, ValueError):
            return  # the interpreter has a message and an exit code for it
        os._exit(_codes[0])


def start_folder(first: str, folder: str) -> str:
    """Returns what comes first in `sys.path`, given the first argument of Python."""
    return "" if first in CODE else os.path.dirname(os.path.realpath(os.path.join(folder, first)))


def python_paths(python_path: str, folder: str = "") -> list[str]:
    """Returns the folders of PYTHONPATH as Python puts them into `sys.path`."""
    folder = folder or os.getcwd()
    return [os.path.join(folder, each) for each in python_path.split(":")] if python_path else []


def _stream(number: int, like: io.TextIOWrapper) -> io.TextIOWrapper:
    """Returns a standard stream of this process as Python opens it at its start."""
    binary = raw = io.FileIO(number, "w" if number else "r", closefd=False)
    raw.name = like.name
    is_buffered = not isinstance(like.buffer, io.FileIO)  # PYTHONUNBUFFERED is not set
    if is_buffered:
        binary = io.BufferedWriter(raw) if number else io.BufferedReader(raw)
    text = io.TextIOWrapper(
        binary,
        like.encoding,
        like.errors,
        line_buffering=is_buffered and (number == 2 or raw.isatty()),
        write_through=like.write_through,
    )
    text.mode = raw.mode[0]
    return text
