"""Writes files atomically: a file gets its name when it is complete."""

from __future__ import annotations

import hashlib
import io
import itertools
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from soundstage.errors import OutputError
from soundstage.interrupts import at_stop, temporary

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

# Seconds after which a growing file is put on the disk again.
SYNC_EVERY_S = 5.0


@contextmanager
def replacing(path: Path | str, expected_bytes: int = 0) -> Iterator[BinaryIO]:
    """Opens a new file that replaces `path` if the block ends without an exception.

    The bytes go to a hidden file in the same folder; most reasons for a failure are found on entry.
    If the block raises, KeyboardInterrupt included, the hidden file is removed and `path` is left
    unchanged. A symbolic link stays a link: its target is replaced. The bytes are on the disk
    before the file is renamed, so that after a power cut `path` is the old or the new file.

    Args:
        path: the file to make or to replace.
        expected_bytes: the size of the new file in bytes; 0 = unknown.

    Yields:
        The new file, open for reading and writing.

    Raises:
        OutputError: the folder is missing or refuses new files, `path` is not an ordinary file or
            is write-protected, or the disk has no room. Other exceptions of the block pass through.
    """
    target = _writable(Path(path), expected_bytes)
    part = target.with_name(f".soundstage-{secrets.token_hex(6)}.part")
    with temporary(part):
        with reporting(path):
            stream = part.open("xb+")
        try:
            yield stream
        except BaseException:
            with suppress(OSError):  # the buffer may not fit on the disk, and is not needed
                stream.close()
            raise
        with reporting(path):
            stream.flush()
            _put_in_place(stream, part, target)


class GrowingFile(io.FileIO):
    """A file that can be read while it is written: without buffers, and often put on the disk.

    Attributes:
        path: the file, beside the one that it will replace.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "x+")
        self.path = path
        self._synced_s = time.monotonic()

    def write(self, data: ReadableBuffer, /) -> int:
        """Writes all of `data`, or nothing of it and raises OSError."""
        rest = memoryview(data).cast("B")
        count, start = len(rest), self.tell()
        try:
            while rest:
                rest = rest[super().write(rest) or 0 :]
        except OSError:
            with suppress(OSError):
                self.truncate(start)
                self.seek(start)
            raise
        if time.monotonic() - self._synced_s > SYNC_EVERY_S:
            self.sync()
        return count

    def sync(self) -> None:
        """Puts the bytes on the disk: they survive a power cut."""
        os.fsync(self.fileno())
        self._synced_s = time.monotonic()


@contextmanager
def growing(path: Path | str, expected_bytes: int = 0, keep: bool = False) -> Iterator[GrowingFile]:
    """Opens a new file that can be read while it grows, and replaces `path` at the block's end.

    Until then it is called `NAME.partial.EXT`, or `NAME.partial-2.EXT` and so on if an earlier
    process has left such a file. After a kill or a power cut it remains; a power cut may cost the
    last 5 s of writing.

    Args:
        path: the file to make or to replace.
        expected_bytes: the size of the new file in bytes; 0 = unknown.
        keep: whether the new file stays if the block raises, or a signal ends the process.

    Raises:
        OutputError: as `replacing`.
    """
    target = _writable(Path(path), expected_bytes)
    with reporting(path):
        part = _open_partial(target)
    with nullcontext() if keep else temporary(part.path), part:
        yield part
        with reporting(path):
            _put_in_place(part, part.path, target)


def _open_partial(target: Path) -> GrowingFile:
    for number in itertools.count(1):
        mark = ".partial" if number == 1 else f".partial-{number}"
        with suppress(FileExistsError):
            return GrowingFile(target.with_name(f"{target.stem}{mark}{target.suffix}"))
    raise AssertionError("the numbers have no end")


def _put_in_place(stream: BinaryIO | GrowingFile, part: Path, target: Path) -> None:
    """Puts a file's bytes on the disk, closes it and gives it its name."""
    os.fsync(stream.fileno())
    stream.close()
    if target.exists():
        shutil.copymode(target, part)
    os.replace(part, target)


class _Untouched(Exception):
    """Abandons an output that was opened only to check that it opens."""


def check_writable(path: Path | str) -> None:
    """Checks that `replacing` can write `path`, and leaves everything unchanged.

    Raises:
        OutputError: as `replacing`.
    """
    check_opens(replacing(path))


def check_opens(output: AbstractContextManager[object]) -> None:
    """Opens an output and abandons it.

    Args:
        output: a context manager that leaves everything unchanged if its block raises, such as
            `replacing`.

    Raises:
        OutputError: or any other exception of opening.
    """
    with suppress(_Untouched), output:
        raise _Untouched


@contextmanager
def making_folder(path: Path) -> Iterator[None]:
    """Makes a folder and its missing parents.

    If the block raises, or a signal ends the process, the new folders that are still empty are
    removed.

    Raises:
        OutputError: the folder cannot be made.
    """
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]

    def remove_empty() -> None:
        with suppress(OSError):
            for folder in missing:
                folder.rmdir()

    with at_stop(remove_empty):
        with reporting(path):
            path.mkdir(parents=True, exist_ok=True)
        try:
            yield
        except BaseException:
            remove_empty()
            raise


def file_sha256(path: Path | str) -> str:
    """Returns the SHA-256 of a file's bytes, as hex digits.

    Raises:
        OSError: the file cannot be read.
    """
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def reporting(path: Path | str) -> Iterator[None]:
    """Turns an OSError of the block into an OutputError that names `path`.

    Raises:
        OutputError: the block raised an OSError.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(f"{path}: cannot be written: {reason}") from error


def _writable(path: Path, expected_bytes: int) -> Path:
    with reporting(path):
        target = path.resolve()
        folder = target.parent
        if target.is_dir():
            raise OutputError(f"{path}: is a folder: give a file name in it")
        if not folder.is_dir():
            raise OutputError(f"{path}: there is no folder {path.parent}: make it first")
        if target.exists() and not target.is_file():
            raise OutputError(f"{path}: is not an ordinary file: use - for a pipe")
        if target.exists() and not os.access(target, os.W_OK):
            raise OutputError(f"{path}: is write-protected: choose another name")
        free_bytes = shutil.disk_usage(folder).free
    if expected_bytes > free_bytes:
        raise OutputError(
            f"{path}: needs {expected_bytes / 1e6:.1f} MB and the disk has "
            f"{free_bytes / 1e6:.1f} MB left: make room, or write .flac, .ogg or .mp3"
        )
    return target
