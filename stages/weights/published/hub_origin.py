"""A hub as an origin of models, and its cache alone as the origin of `--offline`."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from pathlib import Path

from soundstage.errors import DownloadError, ModelError
from soundstage.files import file_sha256
from soundstage.progress import Moved
from soundstage.stages.weights.published.catalogue import PublishedFile, PublishedModel
from soundstage.stages.weights.published.hub import Hub, Remote, discard
from soundstage.stages.weights.published.hub_errors import refused
from soundstage.stages.weights.published.origins import CheckHash, Offer, check_contents, link


class HubOrigin:
    """A hub; its files are kept in the cache of `huggingface_hub` and linked from there.

    Args:
        hub: the hub.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def offer(self, model: PublishedModel, file: PublishedFile, revision: str) -> Offer | None:
        """Asks the hub for a file."""
        remote = self._hub.look_up(model.repository, file.path, revision)
        if remote is None:
            return None
        total_bytes = remote.bytes or 0
        return Offer(
            total_bytes,
            0 if self._cached(remote) else total_bytes,
            self._hub.cache,
            f"{self._hub.endpoint}/{remote.repository} at {remote.commit[:12]}",
            partial(self._install, file, remote, revision),
            "the hub states it" if remote.sha256 else "",
            remote.commit,
        )

    def missing(self, model: PublishedModel, file: PublishedFile) -> DownloadError:
        """Returns the error for a file that the hub does not have."""
        return refused(f"{model.repository}/{file.path}", 404, None)

    def _cached(self, remote: Remote) -> Path | None:
        return self._hub.cached(remote.repository, remote.path, remote.commit)

    def _install(
        self,
        file: PublishedFile,
        remote: Remote,
        revision: str,
        target: Path,
        check_hash: CheckHash,
        moved: Moved,
    ) -> str:
        cached = self._cached(remote)
        if cached is not None:
            moved(remote.bytes or 0)
            with suppress(ModelError):  # a damaged file was discarded: it is fetched again
                return _checked_and_linked(file, remote, cached, target, check_hash)
        fetched = self._hub.fetch(remote, revision, moved)
        return _checked_and_linked(file, remote, fetched, target, check_hash)


class CacheOrigin:
    """The files in a hub's cache; sends no requests.

    Args:
        hub: the hub.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def offer(self, model: PublishedModel, file: PublishedFile, revision: str) -> Offer | None:
        """Looks for a file in the cache."""
        path = self._hub.cached(model.repository, file.path, revision)
        if path is None:
            return None
        # The cache has a folder for each commit, and in it the repository's tree.
        commit = path.parents[len(Path(file.path).parts) - 1].name
        return Offer(
            path.stat().st_size,
            0,
            self._hub.cache,
            f"the cache, at {commit[:12]}",
            partial(_checked_link, file, path),
            commit=commit,
        )

    def missing(self, model: PublishedModel, file: PublishedFile) -> DownloadError:
        """Returns the error for a file that the cache does not have."""
        return DownloadError(
            f"{model.repository}/{file.path}: not in the cache; without --offline, `soundstage "
            f"models download {model.name}` fetches it"
        )


def _checked_and_linked(
    file: PublishedFile, remote: Remote, path: Path, target: Path, check_hash: CheckHash
) -> str:
    """Links to a file of the cache, or discards it there if it is refused."""

    def check(digest: str) -> None:
        if remote.sha256 and digest != remote.sha256:
            raise ModelError(
                f"{remote.name}: came with SHA-256 {digest[:12]}, but the hub states "
                f"{remote.sha256[:12]}; nothing was kept: run the same command again"
            )
        check_hash(digest)

    try:
        return _checked_link(file, path, target, check, lambda done_bytes: None)
    except ModelError:
        discard(path)
        raise


def _checked_link(
    file: PublishedFile, path: Path, target: Path, check_hash: CheckHash, moved: Moved
) -> str:
    digest = file_sha256(path)
    moved(path.stat().st_size)
    check_hash(digest)
    check_contents(file, path)
    link(target, path)
    return digest
