"""Runs the command line in this process: a new process takes a second to import JAX."""

import io
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass

import pytest

from soundstage.apps.commands.main import main

MODULE = [sys.executable, "-m", "soundstage"]


@dataclass(frozen=True)
class Finished:
    code: int
    stdout: str
    stderr: str


def run(*arguments: object) -> Finished:
    with (
        redirect_stdout(io.StringIO()) as stdout,
        redirect_stderr(io.StringIO()) as stderr,
        pytest.raises(SystemExit) as ended,
    ):
        main([str(argument) for argument in arguments])
    code = ended.value.code
    return Finished(code, stdout.getvalue(), stderr.getvalue())


def run_process(*arguments: object, **settings: object) -> subprocess.CompletedProcess[bytes]:
    command = [*MODULE, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, timeout=300, check=False, **settings)


def told(stderr: str) -> str:
    """Returns the message of an error, which is the only line of `stderr`."""
    lines = stderr.splitlines()
    assert len(lines) == 1, stderr
    assert lines[0].startswith("soundstage: ")
    assert "Traceback" not in stderr
    return lines[0].removeprefix("soundstage: ")
