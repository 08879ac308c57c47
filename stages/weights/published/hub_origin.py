"""A hub as an origin of models, and its cache alone when nobody may be asked."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from soundstage.errors import DownloadError, ModelError
from soundstage.files import file_sha256, reporting
from soundstage.progress import Moved
from soundstage.stages.weights.published.catalogue import PublishedFile, PublishedModel
from soundstage.stages.weights.published.hub import Hub, Remote
from soundstage.stages.weights.published.hub_errors import refused
from soundstage.stages.weights.published.origins import Check, check_contents, link
from soundstage.stages.weights.published.transfer import transfer


@dataclass(frozen=True)
class HubOffer:
    """A file on a hub; see `Offer`."""

    hub: Hub
    remote: Remote
    file: PublishedFile
    revision: str

    @property
    def total_bytes(self) -> int:
        """Its size, if the hub says."""
        return self.remote.bytes or 0

    @property
    def room_bytes(self) -> int:
        """What has not come yet."""
        have = max(map(_size, (self.hub.blob(self.remote), self.hub.part(self.remote))))
        return max(0, self.total_bytes - have)

    @property
    def room_in(self) -> Path:
        """The cache."""
        return self.hub.cache

    @property
    def stated(self) -> str:
        """The hub, if it states the hash."""
        return "the hub states it" if self.remote.sha256 else ""

    @property
    def commit(self) -> str:
        """Of the repository."""
        return self.remote.commit

    @property
    def origin(self) -> str:
        """The hub, the repository and the commit."""
        return f"{self.hub.endpoint}/{self.remote.repository} at {self.remote.commit[:12]}"

    def bring(self, place: Path, check: Check, moved: Moved) -> str:
        """Fetches it into the hub's cache and links to it; see `Offer.bring`."""
        blob = self.hub.blob(self.remote)
        digest = self._there(blob, moved)
        if digest:
            check(digest)
        else:
            digest = self._fetched(blob, check, moved)
        link(place, self.hub.name(self.remote, self.revision))
        return digest

    def _there(self, blob: Path, moved: Moved) -> str:
        """The hash of what the cache has already, if it is whole; else ""."""
        if not blob.exists():
            return ""
        moved(_size(blob))
        try:
            check_contents(self.file, blob)
        except ModelError:
            return ""
        digest = file_sha256(blob)
        return digest if digest == (self.remote.sha256 or digest) else ""

    def _fetched(self, blob: Path, check: Check, moved: Moved) -> str:
        part = self.hub.part(self.remote)
        with reporting(part):
            part.parent.mkdir(parents=True, exist_ok=True)
        digest = transfer(self.hub, self.remote, part, moved)
        try:
            self._check_stated(digest)
            check(digest)
            check_contents(self.file, part)
            with reporting(blob):
                os.replace(part, blob)
        finally:
            part.unlink(missing_ok=True)
        return digest

    def _check_stated(self, digest: str) -> None:
        if self.remote.sha256 and digest != self.remote.sha256:
            raise ModelError(
                f"{self.remote.what}: came with SHA-256 {digest[:12]}, but the hub states "
                f"{self.remote.sha256[:12]}; nothing was kept: run the same command again"
            )


class HubOrigin:
    """A hub.

    Args:
        hub: the hub.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def offer(self, model: PublishedModel, file: PublishedFile, revision: str) -> HubOffer | None:
        """Asks the hub for a file."""
        remote = self._hub.look_up(model.repository, file.path, revision)
        return None if remote is None else HubOffer(self._hub, remote, file, revision)

    def missing(self, model: PublishedModel, file: PublishedFile) -> DownloadError:
        """The fault that the hub has no such file."""
        return refused(f"{model.repository}/{file.path}", 404, None)


@dataclass(frozen=True)
class CachedOffer:
    """A file that came from a hub before; see `Offer`."""

    path: Path
    file: PublishedFile
    commit: str
    room_in: Path
    stated: str = ""
    room_bytes: int = 0

    @property
    def total_bytes(self) -> int:
        """Its size."""
        return _size(self.path)

    @property
    def origin(self) -> str:
        """The cache."""
        return f"the cache, at {self.commit[:12]}"

    def bring(self, place: Path, check: Check, moved: Moved) -> str:
        """Links to it; see `Offer.bring`."""
        digest = file_sha256(self.path)
        moved(self.total_bytes)
        check(digest)
        check_contents(self.file, self.path)
        link(place, self.path)
        return digest


class CacheOrigin:
    """What came from a hub before; asks nobody.

    Args:
        hub: the hub.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def offer(
        self, model: PublishedModel, file: PublishedFile, revision: str
    ) -> CachedOffer | None:
        """Looks into the hub's cache."""
        path = self._hub.cached(model.repository, file.path, revision)
        if path is None:
            return None
        # The cache has a folder a commit, and below it the repository's tree.
        depth = len(Path(file.path).parts)
        return CachedOffer(path, file, path.parents[depth - 1].name, self._hub.cache)

    def missing(self, model: PublishedModel, file: PublishedFile) -> DownloadError:
        """The fault that it never came."""
        return DownloadError(
            f"{model.repository}/{file.path}: not in the cache, and --offline asks nobody"
        )


def check_room(folder: Path, wanted: int) -> int:
    """How many bytes are missing on a folder's disk; 0 = there is room."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return max(0, wanted - shutil.disk_usage(there).free)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
