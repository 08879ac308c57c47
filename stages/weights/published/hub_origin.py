"""A hub as an origin of models, and the library's cache as one of its own for `--offline`."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from soundstage.errors import DownloadError, ModelError
from soundstage.files import file_sha256
from soundstage.progress import Moved
from soundstage.stages.weights.published.catalogue import PublishedFile, PublishedModel
from soundstage.stages.weights.published.hub import Hub, Remote, discard
from soundstage.stages.weights.published.hub_errors import refused
from soundstage.stages.weights.published.origins import Check, check_contents, link


@dataclass(frozen=True)
class HubOffer:
    """A file on a hub; see `Offer`."""

    hub: Hub
    remote: Remote
    file: PublishedFile
    revision: str

    @property
    def total_bytes(self) -> int:
        """The size that the hub states; 0 = it states none."""
        return self.remote.bytes or 0

    @property
    def room_bytes(self) -> int:
        """Nothing if the cache has the file, else all of it."""
        return self.total_bytes if self._cached() is None else 0

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
        """The repository's commit."""
        return self.remote.commit

    @property
    def origin(self) -> str:
        """The hub, the repository and the commit."""
        return f"{self.hub.endpoint}/{self.remote.repository} at {self.remote.commit[:12]}"

    def bring(self, place: Path, check: Check, moved: Moved) -> str:
        """Fetches the file into the cache, unless it is there and good, and links to it."""
        cached = self._cached()
        if cached is not None:
            moved(self.total_bytes)
            with suppress(ModelError):
                return self._checked_and_linked(cached, place, check)
        fetched = self.hub.fetch(self.remote, self.revision, moved)
        return self._checked_and_linked(fetched, place, check)

    def _cached(self) -> Path | None:
        return self.hub.cached(self.remote.repository, self.remote.path, self.remote.commit)

    def _checked_and_linked(self, path: Path, place: Path, check: Check) -> str:
        try:
            digest = file_sha256(path)
            self._check_stated(digest)
            check(digest)
            check_contents(self.file, path)
        except ModelError:
            discard(path)
            raise
        link(place, path)
        return digest

    def _check_stated(self, digest: str) -> None:
        if self.remote.sha256 and digest != self.remote.sha256:
            raise ModelError(
                f"{self.remote.name}: came with SHA-256 {digest[:12]}, but the hub states "
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
        """Returns the error for a file that the hub does not have."""
        return refused(f"{model.repository}/{file.path}", 404, None)


@dataclass(frozen=True)
class CachedOffer:
    """A file in the cache; see `Offer`."""

    path: Path
    file: PublishedFile
    commit: str
    room_in: Path
    stated: str = ""
    room_bytes: int = 0

    @property
    def total_bytes(self) -> int:
        """The file's size."""
        return self.path.stat().st_size

    @property
    def origin(self) -> str:
        """The cache and the commit."""
        return f"the cache, at {self.commit[:12]}"

    def bring(self, place: Path, check: Check, moved: Moved) -> str:
        """Links to the file; the cache stays as it is, even if the file is refused."""
        digest = file_sha256(self.path)
        moved(self.total_bytes)
        check(digest)
        check_contents(self.file, self.path)
        link(place, self.path)
        return digest


class CacheOrigin:
    """The files in a hub's cache; sends no requests.

    Args:
        hub: the hub.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def offer(
        self, model: PublishedModel, file: PublishedFile, revision: str
    ) -> CachedOffer | None:
        """Finds a file in the cache."""
        path = self._hub.cached(model.repository, file.path, revision)
        if path is None:
            return None
        # The cache has a folder for each commit, and in it the repository's tree.
        depth = len(Path(file.path).parts)
        return CachedOffer(path, file, path.parents[depth - 1].name, self._hub.cache)

    def missing(self, model: PublishedModel, file: PublishedFile) -> DownloadError:
        """Returns the error for a file that the cache does not have."""
        return DownloadError(
            f"{model.repository}/{file.path}: not in the cache, and --offline sends no requests; "
            f"`soundstage models download {model.name}` fetches it"
        )
