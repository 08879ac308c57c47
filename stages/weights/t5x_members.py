"""The files of a checkpoint, in a folder or in a tar archive.

Members of a tar are read where they lie: nothing is unpacked, so no name in an archive can reach
the disk.
"""

import tarfile
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import Protocol

from soundstage.stages.weights.array_source import WeightsError

INDEX = "checkpoint"
TARGET = "target."


class Members(Protocol):
    """The files of a checkpoint by path relative to it, wherever they lie."""

    def paths(self) -> set[str]:
        """Every file's path, slashes between parts."""
        ...

    def read(self, path: str) -> bytes:
        """One file's bytes."""
        ...

    def close(self) -> None:
        """Lets go of the archive."""
        ...


class FolderMembers:
    """The files of a checkpoint folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def paths(self) -> set[str]:
        """The path of every file of a checkpoint, here or in the only folder here."""
        # Only what can belong to a checkpoint, one folder deep: a user may point at a large tree.
        patterns = (INDEX, f"*/{INDEX}", f"{TARGET}*/**/*", f"*/{TARGET}*/**/*")
        return {
            path.relative_to(self.folder).as_posix()
            for pattern in patterns
            for path in self.folder.glob(pattern)
            if path.is_file()
        }

    def read(self, path: str) -> bytes:
        """One file's bytes."""
        return (self.folder / path).read_bytes()

    def close(self) -> None:
        """Nothing to let go of."""


class TarMembers:
    """The files of an uncompressed tar archive, read in place.

    Raises:
        WeightsError: the archive is truncated, or has members that a checkpoint has no use for:
            links, devices, sparse files, paths that leave the archive, sizes beyond its own.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with ExitStack() as opened:
            try:
                self._archive = opened.enter_context(tarfile.open(path, mode="r:"))
                self._members = self._checked()
            except (OSError, EOFError, tarfile.TarError) as error:
                raise WeightsError(f"{path}: no complete tar archive ({error})") from error
            self._opened = opened.pop_all()

    def _checked(self) -> dict[str, tarfile.TarInfo]:
        size = self.path.stat().st_size
        members = {}
        for member in self._archive:
            name = PurePosixPath(member.name)
            if name.is_absolute() or ".." in name.parts:
                raise WeightsError(f"{self.path}: member {member.name!r} leaves the archive")
            if member.isdir():
                continue
            if not member.isreg() or member.issparse():
                raise WeightsError(f"{self.path}: member {member.name!r} is no plain file")
            if member.size < 0 or member.offset_data + member.size > size:
                raise WeightsError(f"{self.path}: member {member.name!r} is cut off")
            members[str(name)] = member
        return members

    def paths(self) -> set[str]:
        """Every file's path in the archive."""
        return set(self._members)

    def read(self, path: str) -> bytes:
        """One file's bytes."""
        file = self._archive.extractfile(self._members[path])
        if file is None:
            raise WeightsError(f"{self.path}: {path} is no plain file")
        with file:
            return file.read()

    def close(self) -> None:
        """Closes the archive."""
        self._opened.close()
