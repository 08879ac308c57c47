"""Files of a hub that speaks Hugging Face's protocol, into that library's own cache.

The library forgets a transfer that breaks off for good. So files are moved into its cache here,
with what has come kept beside them, and the library does the rest: names, commits, links.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import huggingface_hub
from huggingface_hub import constants
from huggingface_hub.errors import (
    FileMetadataError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
)

from soundstage.errors import DownloadError
from soundstage.stages.weights.published.hub_errors import (
    PASSING,
    refused,
    retry_after_s,
    unreachable,
)

R = TypeVar("R")

# The library's HTTP client has changed its name between versions; the base of its errors, of
# which this one is, tells what it is now.
NO_ANSWER: tuple[type[Exception], ...] = (*HfHubHTTPError.__bases__, OfflineModeIsEnabled)
UNNAMED: tuple[type[Exception], ...] = (LocalEntryNotFoundError, FileMetadataError, *NO_ANSWER)
COMMIT, ETAG = re.compile(r"[0-9a-f]{40}"), re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
PATIENCE_S = 30.0
TRIES = 3
PAUSE_S = 0.5
ANSWER_WITHIN_S = 30.0


@dataclass(frozen=True)
class Remote:
    """A file on a hub, at one commit.

    Attributes:
        repository: "owner/name".
        path: in the repository.
        commit: the commit.
        etag: names the content; for large files its SHA-256 as hex digits.
        bytes: its size; None = the hub does not say.
    """

    repository: str
    path: str
    commit: str
    etag: str
    bytes: int | None

    @property
    def what(self) -> str:
        """The file, for people."""
        return f"{self.repository}/{self.path}"

    @property
    def sha256(self) -> str:
        """The SHA-256 that the hub states; "" = it does not."""
        is_digest = len(self.etag) == 64 and not set(self.etag) - set("0123456789abcdef")
        return self.etag if is_digest else ""


class Hub:
    """One hub and the cache for what comes from it.

    Args:
        endpoint: its URL; None = Hugging Face's, or what that library is set to.
        say: called with a line when something takes patience.
    """

    def __init__(self, endpoint: str | None, say: Callable[[str], None]) -> None:
        self.endpoint = (endpoint or constants.ENDPOINT).rstrip("/")
        self.cache = Path(constants.HF_HUB_CACHE)
        # A mirror has no business with what this hub knows its user by.
        self._token = None if self.endpoint == constants.ENDPOINT else False
        self._say = say

    def look_up(self, repository: str, path: str, revision: str) -> Remote | None:
        """Asks for a file; None = the repository has no such file.

        Raises:
            DownloadError: no answer, or a refusal.
        """
        url = self._url(repository, path, revision)
        what = f"{repository}/{path}"
        try:
            found = self._patiently(
                what,
                lambda: huggingface_hub.get_hf_file_metadata(
                    url, token=self._token, timeout=ANSWER_WITHIN_S, endpoint=self.endpoint
                ),
            )
        except RemoteEntryNotFoundError:
            return None
        commit, etag = found.commit_hash or "", found.etag or ""
        # Both become names of files.
        if not (COMMIT.fullmatch(commit) and ETAG.fullmatch(etag)):
            raise DownloadError(
                f"{what}: {self.endpoint} does not answer like a hub; check --source and the "
                "network's proxy"
            )
        return Remote(repository, path, commit, etag, found.size)

    def cached(self, repository: str, path: str, revision: str) -> Path | None:
        """Where the cache has a file; None = it has not."""
        found = huggingface_hub.try_to_load_from_cache(
            repository, path, cache_dir=self.cache, revision=revision
        )
        return Path(found) if isinstance(found, str) else None

    def blob(self, remote: Remote) -> Path:
        """Where the cache keeps a file's content."""
        folder = f"models--{remote.repository.replace('/', '--')}"
        return self.cache / folder / "blobs" / remote.etag

    def part(self, remote: Remote) -> Path:
        """Where what has come of a file waits for the rest."""
        blob = self.blob(remote)
        return blob.with_name(f"{blob.name}.soundstage.incomplete")

    def name(self, remote: Remote, revision: str) -> Path:
        """Gives a file whose content is in the cache its name there.

        Raises:
            DownloadError: the hub has gone away meanwhile.
        """
        try:
            path = huggingface_hub.hf_hub_download(
                remote.repository,
                remote.path,
                cache_dir=self.cache,
                revision=revision,
                endpoint=self.endpoint,
                token=self._token,
            )
        except UNNAMED as error:
            raise unreachable(remote.what, error) from error
        return Path(path)

    def open(self, remote: Remote, start: int) -> Any:
        """Asks for a file's bytes from `start` on; a context manager of the streamed answer."""
        # Not where the content was when it was looked up: such addresses expire.
        url = self._url(remote.repository, remote.path, remote.commit)
        headers = {**huggingface_hub.utils.build_hf_headers(token=self._token)}
        headers["Accept-Encoding"] = "identity"  # ranges are of the file, not of an encoding
        if start:
            headers["Range"] = f"bytes={start}-"
        session: Any = huggingface_hub.get_session()
        return session.stream(
            "GET", url, headers=headers, timeout=ANSWER_WITHIN_S, follow_redirects=True
        )

    def wait(self, what: str, status: int, asked_s: float | None, tries_left: int) -> None:
        """Waits before a request is repeated.

        Raises:
            DownloadError: it is not worth it: the answer will stay what it is, or the hub asks for
                more patience than a command should have.
        """
        wait_s = PAUSE_S if asked_s is None else asked_s
        if status not in PASSING or wait_s > PATIENCE_S or not tries_left:
            raise refused(what, status, asked_s)
        self._say(f"{what}: the hub answers {status}; waiting {wait_s:.1f} s")
        time.sleep(wait_s)

    def _url(self, repository: str, path: str, revision: str) -> str:
        return huggingface_hub.hf_hub_url(
            repository, path, revision=revision, endpoint=self.endpoint
        )

    def _patiently(self, what: str, ask: Callable[[], R]) -> R:
        tries_left = TRIES
        while True:
            tries_left -= 1
            try:
                return ask()
            except RemoteEntryNotFoundError:
                raise
            except HfHubHTTPError as error:
                answer = error.response
                asked_s = retry_after_s(answer.headers.get("Retry-After"))
                self.wait(what, answer.status_code, asked_s, tries_left)
            except NO_ANSWER as error:
                if not tries_left or isinstance(error, OfflineModeIsEnabled):
                    raise unreachable(what, error) from error
                time.sleep(PAUSE_S)
