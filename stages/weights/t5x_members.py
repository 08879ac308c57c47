"""The files of a T5X checkpoint, in a folder or in a tar archive.

Members of a tar are read in place. Nothing is unpacked, so no name in an archive becomes a path on
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
    """The files of a checkpoint, by path relative to the checkpoint."""

    def paths(self) -> set[str]:
        """Returns the path of every file, its parts joined by slashes."""
        ...

    def read(self, path: str) -> bytes:
        """Reads one file."""
        ...

    def close(self) -> None:
        """Closes the archive, if there is one."""
        ...


class FolderMembers:
    """The files of a checkpoint folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def paths(self) -> set[str]:
        """Returns the path of every file of a checkpoint, in the folder or one folder below."""
        # Limited to files of checkpoints, because the folder may hold a large tree of others.
        patterns = (INDEX, f"*/{INDEX}", f"{TARGET}*/**/*", f"*/{TARGET}*/**/*")
        return {
            path.relative_to(self.folder).as_posix()
            for pattern in patterns
            for path in self.folder.glob(pattern)
            if path.is_file()
        }

    def read(self, path: str) -> bytes:
        """Reads one file."""
        return (self.folder / path).read_bytes()

    def close(self) -> None:
        """Does nothing: a file is open only while it is read."""


class TarMembers:
    """The files of an uncompressed tar archive, read in place.

    Raises:
        WeightsError: the archive is truncated, or has a member that no checkpoint has: a link, a
            device, a sparse file, a path that leaves the archive, a size beyond the archive's own.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with ExitStack() as opened:
            try:
                self._archive = opened.enter_context(tarfile.open(path, mode="r:"))
                self._members = self._checked()
            except (OSError, EOFError, tarfile.TarError) as error:
                raise WeightsError(f"{path}: not a complete tar archive ({error})") from error
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
                raise WeightsError(f"{self.path}: member {member.name!r} is not a plain file")
            if member.size < 0 or member.offset_data + member.size > size:
                raise WeightsError(f"{self.path}: member {member.name!r} is cut off")
            members[str(name)] = member
        return members

    def paths(self) -> set[str]:
        """Returns the path of every file in the archive."""
        return set(self._members)

    def read(self, path: str) -> bytes:
        """Reads one file."""
        file = self._archive.extractfile(self._members[path])
        if file is None:
            raise WeightsError(f"{self.path}: {path} is not a plain file")
        with file:
            return file.read()

    def close(self) -> None:
        """Closes the archive."""
        self._opened.close()
