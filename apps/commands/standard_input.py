"""Audio from standard input: `--audio -`, kept in a temporary file while the command runs."""

from __future__ import annotations

import atexit
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from soundstage.errors import InputError
from soundstage.runners.sessions.prompts import Audio, OnePrompt

STANDARD_INPUT = "-"
MOST_BYTES = 2**30
_NAME = "standard-input"
_BLOCK_BYTES = 1 << 20


def with_standard_input(prompts: Sequence[OnePrompt]) -> tuple[OnePrompt, ...]:
    """Replaces the audio prompt "-" by a file with the bytes of standard input.

    The file is removed when the process ends.

    Raises:
        InputError: "-" is given twice, or standard input is a terminal, empty or too large.
    """
    is_input = [isinstance(p, Audio) and str(p.source) == STANDARD_INPUT for p in prompts]
    if sum(is_input) > 1:
        raise InputError("--audio - is given twice: standard input can be read once")
    return tuple(
        replace(prompt, source=_saved()) if isinstance(prompt, Audio) and is_standard else prompt
        for prompt, is_standard in zip(prompts, is_input, strict=True)
    )


def _saved() -> Path:
    if sys.stdin is None or sys.stdin.isatty():
        raise InputError("--audio -: standard input is a terminal: pipe an audio file into it")
    folder = Path(tempfile.mkdtemp(prefix="soundstage-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path, size = folder / _NAME, 0
    with path.open("wb") as file:
        while block := sys.stdin.buffer.read(_BLOCK_BYTES):
            size += len(block)
            if size > MOST_BYTES:
                raise InputError(f"--audio -: more than {MOST_BYTES // 2**20} MiB: use a file")
            file.write(block)
    if not size:
        raise InputError("--audio -: standard input is empty")
    return path
