"""Where files of models come from: what every origin can say and do, and a folder as one."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from soundstage.errors import DownloadError, ModelError
from soundstage.files import replacing, reporting
from soundstage.progress import Moved
from soundstage.stages.weights.published.catalogue import PublishedFile, PublishedModel
from soundstage.stages.weights.published_files import open_published

BLOCK_BYTES = 1 << 20
# Raises if a file of this SHA-256 is not what is wanted.
Check = Callable[[str], None]


class Offer(Protocol):
    """A file that can be had."""

    @property
    def total_bytes(self) -> int:
        """Its size; 0 = not known before it has come."""
        ...

    @property
    def room_bytes(self) -> int:
        """What it will still take on the disk."""
        ...

    @property
    def room_in(self) -> Path:
        """Where it will take it."""
        ...

    @property
    def stated(self) -> str:
        """Who vouches for its hash, for people; "" = nobody."""
        ...

    @property
    def commit(self) -> str:
        """The commit of its repository; "" = not known."""
        ...

    @property
    def origin(self) -> str:
        """Where it comes from, for people."""
        ...

    def bring(self, place: Path, check: Check, moved: Moved) -> str:
        """Puts the file in its place, if it is whole, is what its name says, and passes `check`.

        Returns:
            SHA-256 as hex digits.

        Raises:
            UserError: it is not, or cannot be had after all; nothing bad is left behind.
        """
        ...


class Origin(Protocol):
    """A place that has models."""

    def offer(self, model: PublishedModel, file: PublishedFile, revision: str) -> Offer | None:
        """Finds a file there; None = it has no such file."""
        ...

    def missing(self, model: PublishedModel, file: PublishedFile) -> DownloadError:
        """The fault that a needed file is not there."""
        ...


def check_contents(file: PublishedFile, path: Path) -> None:
    """Refuses a file that is not what its name says.

    Raises:
        ModelError: it is damaged or something else.
    """
    try:
        source = open_published(path, file.path)
    except ValueError as error:
        said = str(error).replace(str(path), file.path)
        raise ModelError(f"{said}; nothing was kept") from error
    if source is not None:
        source.close()


def lacking_bytes(folder: Path, needed: int) -> int:
    """Returns how many of `needed` bytes the disk of a folder has no room for; 0 = it has room."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    return max(0, needed - shutil.disk_usage(existing).free)


def link(place: Path, target: Path) -> None:
    """Makes a name in the models folder for a file elsewhere, in place of what had it before.

    Raises:
        OutputError: the folder cannot be written to.
    """
    fresh = place.with_name(f".soundstage-{secrets.token_hex(6)}.link")
    with reporting(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            fresh.symlink_to(target)
        except OSError:
            # Systems that keep symbolic links from ordinary users still let a file have two names.
            os.link(target.resolve(), fresh)
        os.replace(fresh, place)


@dataclass(frozen=True)
class FolderOffer:
    """A file in a folder; see `Offer`."""

    path: Path
    file: PublishedFile
    room_in: Path
    stated: str = ""
    commit: str = ""

    @property
    def total_bytes(self) -> int:
        """Its size."""
        return self.path.stat().st_size

    @property
    def room_bytes(self) -> int:
        """All of it."""
        return self.total_bytes

    @property
    def origin(self) -> str:
        """The file itself."""
        return str(self.path)

    def bring(self, place: Path, check: Check, moved: Moved) -> str:
        """Copies it; see `Offer.bring`."""
        if place.is_symlink():
            place.unlink()  # else what it points at would be overwritten
        with reporting(place):
            place.parent.mkdir(parents=True, exist_ok=True)
        digest, done = hashlib.sha256(), 0
        with self.path.open("rb") as stream, replacing(place, self.total_bytes) as copy:
            while block := stream.read(BLOCK_BYTES):
                copy.write(block)
                digest.update(block)
                done += len(block)
                moved(done)
            copy.flush()
            check(digest.hexdigest())
            check_contents(self.file, Path(copy.name))
        return digest.hexdigest()


class FolderOrigin:
    """A folder that holds published files, laid out as their repositories or not at all.

    Args:
        folder: the folder.
        room_in: the models folder.
    """

    def __init__(self, folder: Path, room_in: Path) -> None:
        self._folder = folder
        self._room_in = room_in

    def offer(
        self, model: PublishedModel, file: PublishedFile, revision: str
    ) -> FolderOffer | None:
        """Finds a file under its published path, or alone."""
        found = next((path for path in self._places(model, file) if path.is_file()), None)
        return None if found is None else FolderOffer(found, file, self._room_in)

    def missing(self, model: PublishedModel, file: PublishedFile) -> DownloadError:
        """The fault, with every place looked at."""
        looked = ", ".join(str(path) for path in self._places(model, file))
        return DownloadError(f"{self._folder}: has no {file.name}; looked for {looked}")

    def _places(self, model: PublishedModel, file: PublishedFile) -> list[Path]:
        own = self._folder / model.repository.rpartition("/")[2]
        bare = self._folder / model.name / file.name
        return [self._folder / file.path, own / file.path, bare, self._folder / file.name]
