"""Writes files atomically: a new file appears complete, or not at all."""

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from soundstage.errors import OutputError


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
    try:
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
            os.fsync(stream.fileno())
            stream.close()
            if target.exists():
                shutil.copymode(target, part)
            os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


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

    If the block raises, the new folders that are still empty are removed.

    Raises:
        OutputError: the folder cannot be made.
    """
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    with reporting(path):
        path.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        with suppress(OSError):
            for folder in missing:
                folder.rmdir()
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
