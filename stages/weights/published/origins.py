"""Origins of model files: the offer that every origin makes, and a folder as an origin."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from soundstage.errors import DownloadError, ModelError
from soundstage.files import replacing, reporting
from soundstage.progress import Moved
from soundstage.stages.weights.published.catalogue import PublishedFile, PublishedModel
from soundstage.stages.weights.published_files import open_published

BLOCK_BYTES = 1 << 20
# Called with a file's SHA-256 as hex digits; raises ModelError if another one is needed.
CheckHash = Callable[[str], None]
# Called with the target path, the check of the hash and the progress; returns the SHA-256.
Install = Callable[[Path, CheckHash, Moved], str]


@dataclass(frozen=True)
class Offer:
    """A file that an origin has.

    Attributes:
        total_bytes: its size; 0 = unknown before it has been fetched.
        room_bytes: how many bytes fetching it adds to the disk.
        room_in: the folder that they are written to.
        origin: where the file comes from, for people.
        install: fetches the file, checks its hash and its contents, and puts it, or a link to it,
            at the target path. Raises `soundstage.Error` if the file cannot be fetched or is
            refused; a refused file is left nowhere.
        stated_by: the origin's statement of the hash, for people; "" = it states none.
        commit: the commit of the file's repository; "" = unknown.
    """

    total_bytes: int
    room_bytes: int
    room_in: Path
    origin: str
    install: Install
    stated_by: str = ""
    commit: str = ""


class Origin(Protocol):
    """A hub, a cache or a folder that has files of models."""

    def offer(self, model: PublishedModel, file: PublishedFile, revision: str) -> Offer | None:
        """Looks for a file; None = the origin does not have it.

        Args:
            model: the model that the file belongs to.
            file: the file.
            revision: a branch, tag or commit of the model's repository; a folder ignores it.

        Raises:
            DownloadError: the origin cannot be asked.
        """
        ...

    def missing(self, model: PublishedModel, file: PublishedFile) -> DownloadError:
        """Returns the error for a required file that the origin does not have."""
        ...


def check_contents(file: PublishedFile, path: Path) -> None:
    """Refuses a file that is damaged, or of another kind than its published name says.

    Raises:
        ModelError: the reason, with the published path.
    """
    try:
        source = open_published(path, file.path)
    except ValueError as error:
        reason = str(error).replace(str(path), file.path)
        raise ModelError(f"{reason}; nothing was kept") from error
    if source is not None:
        source.close()


def lacking_bytes(folder: Path, needed: int) -> int:
    """Returns how many of `needed` bytes the disk of a folder has no room for; 0 = it has room."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    return max(0, needed - shutil.disk_usage(existing).free)


def link(target: Path, content: Path) -> None:
    """Links `target`, a path in the models folder, to `content`, and replaces any older file.

    Raises:
        OutputError: the models folder cannot be written.
    """
    fresh = target.with_name(f".soundstage-{secrets.token_hex(6)}.link")
    with reporting(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            fresh.symlink_to(content)
        except OSError:
            # Systems that keep symbolic links from ordinary users still allow hard links.
            os.link(content.resolve(), fresh)
        os.replace(fresh, target)


class FolderOrigin:
    """A folder with published files, in their repositories' tree or side by side.

    Args:
        folder: the folder.
        models: the models folder, which files are copied to.
    """

    def __init__(self, folder: Path, models: Path) -> None:
        self._folder = folder
        self._models = models

    def offer(self, model: PublishedModel, file: PublishedFile, revision: str) -> Offer | None:
        """Looks for a file under its published path and under its bare name."""
        path = next((path for path in self._candidates(model, file) if path.is_file()), None)
        if path is None:
            return None
        size = path.stat().st_size
        return Offer(size, size, self._models, str(path), partial(_copy, file, path))

    def missing(self, model: PublishedModel, file: PublishedFile) -> DownloadError:
        """Returns the error with every path that was tried."""
        candidates = ", ".join(str(path) for path in self._candidates(model, file))
        return DownloadError(f"{self._folder}: has no {file.name}; looked for {candidates}")

    def _candidates(self, model: PublishedModel, file: PublishedFile) -> list[Path]:
        repository = self._folder / model.repository.rpartition("/")[2]
        bare = self._folder / model.name / file.name
        return [self._folder / file.path, repository / file.path, bare, self._folder / file.name]


def _copy(
    file: PublishedFile, path: Path, target: Path, check_hash: CheckHash, moved: Moved
) -> str:
    if target.is_symlink():
        target.unlink()  # or the copy would replace the file in the hub's cache
    with reporting(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    digest, copied_bytes = hashlib.sha256(), 0
    with path.open("rb") as stream, replacing(target, path.stat().st_size) as copy:
        while block := stream.read(BLOCK_BYTES):
            copy.write(block)
            digest.update(block)
            copied_bytes += len(block)
            moved(copied_bytes)
        copy.flush()
        check_hash(digest.hexdigest())
        check_contents(file, Path(copy.name))
    return digest.hexdigest()
