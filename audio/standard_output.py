"""Standard output for audio: refuses terminals, ends without an error if the reader leaves."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from typing import BinaryIO

from soundstage.errors import OutputError


class ReaderGone(Exception):
    """The reader of standard output has closed it."""


class Pipe:
    """Standard output, flushed at every write, so that a player gets every block at once.

    Args:
        stream: standard output, or a stream in its place, as bytes.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, data: bytes) -> int:
        """Sends all of `data`.

        Raises:
            ReaderGone: the reader has closed standard output.
            OSError: the bytes cannot be sent for another reason, such as a full disk after `>`.
        """
        try:
            self._stream.write(data)
            self._stream.flush()
        except BrokenPipeError as error:
            _discard(self._stream)
            raise ReaderGone from error
        return len(data)

    def seekable(self) -> bool:
        """Whether earlier bytes can be changed: never, even if standard output is a file."""
        return False

    def seek(self, offset: int) -> int:
        """Raises an error: a pipe cannot seek.

        Raises:
            io.UnsupportedOperation: always.
        """
        raise io.UnsupportedOperation(f"standard output cannot go back to byte {offset}")


@contextmanager
def standard_output() -> Iterator[Pipe]:
    """Opens standard output; `ReaderGone` ends the block without an error.

    Raises:
        OutputError: standard output is a terminal.
    """
    if sys.stdout.isatty():
        raise OutputError(
            "standard output is a terminal: redirect it with `| player` or `> out.wav`, or give "
            "--output a file name"
        )
    pipe = Pipe(sys.stdout.buffer)
    # Text that a library prints must not get into the audio.
    with suppress(ReaderGone), redirect_stdout(sys.stderr):
        yield pipe


def _discard(stream: BinaryIO) -> None:
    # At exit, Python flushes its buffer to the pipe: without this, it would print an error.
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)
