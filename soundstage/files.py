"""New files that appear whole or not at all."""

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
    """Opens a new file that takes the place of `path` when the block ends well.

    The bytes go to a hidden file in the same folder, so that everything that can be known to fail
    fails on entry. If the block raises, KeyboardInterrupt included, the hidden file is removed
    and whatever `path` held stays as it was. A symbolic link stays a link: its target is replaced.
    The bytes reach the disk before the name does: after a power cut, too, it is one or the other.

    Args:
        path: the file to make or to replace.
        expected_bytes: what the file will hold if that is known; 0 = unknown.

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
            with suppress(OSError):  # what it still holds may not fit, and is not wanted
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
    """Leaves a file that was opened only to see whether it can be."""


def check_writable(path: Path | str) -> None:
    """Finds out now whether `replacing` will work; leaves everything as it is.

    Raises:
        OutputError: as `replacing`.
    """
    check_opens(replacing(path))


def check_opens(output: AbstractContextManager[object]) -> None:
    """Opens an output and abandons it, so that nothing of it stays.

    Args:
        output: leaves everything as it was if its block raises, such as `replacing`.

    Raises:
        OutputError: or whatever else opening raises.
    """
    with suppress(_Untouched), output:
        raise _Untouched


@contextmanager
def making_folder(path: Path) -> Iterator[None]:
    """Makes a folder and what is missing above it.

    If the block raises, those that were made and are still empty are removed again.

    Raises:
        OutputError: it cannot be made.
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
    """SHA-256 of a file's bytes, as hex digits.

    Raises:
        OSError: the file cannot be read.
    """
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def reporting(path: Path | str) -> Iterator[None]:
    """Turns the system's refusal to write `path` into one line.

    Raises:
        OutputError: in place of an OSError of the block.
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
        room = shutil.disk_usage(folder).free
    if expected_bytes > room:
        raise OutputError(
            f"{path}: needs {expected_bytes / 1e6:.1f} MB and the disk has {room / 1e6:.1f} MB "
            "left: make room, or write .flac, .ogg or .mp3"
        )
    return target
