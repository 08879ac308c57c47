"""Standard output as a place for audio: refuses terminals, forgives readers that leave."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from typing import BinaryIO

from soundstage.errors import OutputError


class ReaderGone(Exception):
    """Whoever read standard output has closed it."""


class Pipe:
    """Standard output, flushed at every write, so that a player hears a block once it is made.

    Args:
        stream: standard output, or what stands for it, as bytes.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, data: bytes) -> int:
        """Sends all of `data`.

        Raises:
            ReaderGone: nobody reads any more.
            OSError: the bytes cannot be sent for another reason, such as a full disk behind `>`.
        """
        try:
            self._stream.write(data)
            self._stream.flush()
        except BrokenPipeError as error:
            _discard(self._stream)
            raise ReaderGone from error
        return len(data)

    def seekable(self) -> bool:
        """Whether earlier bytes can be corrected: never, even where `>` leads to a file."""
        return False

    def seek(self, offset: int) -> int:
        """Refuses.

        Raises:
            io.UnsupportedOperation: always.
        """
        raise io.UnsupportedOperation(f"standard output cannot go back to byte {offset}")


@contextmanager
def standard_output() -> Iterator[Pipe]:
    """Yields the pipe; the block ends quietly when the reader leaves.

    Raises:
        OutputError: standard output is a terminal.
    """
    if sys.stdout.isatty():
        raise OutputError(
            "standard output is a terminal: send it on with `| player` or `> out.wav`, or give "
            "--output a file name"
        )
    pipe = Pipe(sys.stdout.buffer)
    # A library that prints must not print into the audio.
    with suppress(ReaderGone), redirect_stdout(sys.stderr):
        yield pipe


def _discard(stream: BinaryIO) -> None:
    # Python flushes what it still holds for the pipe when it exits, and would complain then.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
