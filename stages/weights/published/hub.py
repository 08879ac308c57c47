"""A hub that speaks Hugging Face's protocol, reached through `huggingface_hub` and its cache.

The library transfers, locks and caches. Two things are done here before it is asked:

- Retries have a limit. The library waits as long as an answer's `Retry-After` asks, an hour if need
  be; `Hub.look_up` waits `PATIENCE_S` at most.
- The commit and the etag of an answer are checked, because the library uses both as names of files.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import huggingface_hub
from huggingface_hub import constants
from huggingface_hub.errors import (
    FileMetadataError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
)
from huggingface_hub.utils import disable_progress_bars, enable_progress_bars, tqdm

from soundstage.errors import DownloadError
from soundstage.files import reporting
from soundstage.interrupts import at_stop
from soundstage.progress import Moved
from soundstage.stages.weights.published.hub_errors import (
    PASSING,
    broken_off,
    refused,
    retry_after_s,
    unreachable,
)

# The library's HTTP client has changed its name between versions. The bases of the library's own
# error are the client's base class of errors and OSError.
NO_ANSWER: tuple[type[Exception], ...] = HfHubHTTPError.__bases__
# Xet transfers raise RuntimeError too.
BROKEN_OFF: tuple[type[Exception], ...] = (*NO_ANSWER, RuntimeError)
UNREACHED = (LocalEntryNotFoundError, FileMetadataError, OfflineModeIsEnabled)
COMMIT, ETAG = re.compile(r"[0-9a-f]{40}"), re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
ADDRESS = re.compile(r"https?://[^\s']+[^\s':]")
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
    def name(self) -> str:
        """The file's full name, "owner/name/path"."""
        return f"{self.repository}/{self.path}"

    @property
    def sha256(self) -> str:
        """The SHA-256 that the hub states; "" = it states none."""
        return self.etag if re.fullmatch(r"[0-9a-f]{64}", self.etag) else ""


class Hub:
    """One hub and the library's cache.

    Args:
        endpoint: the hub's URL; None = Hugging Face's, or the one in the library's settings.
        say: called with a line for every wait.
    """

    def __init__(self, endpoint: str | None, say: Callable[[str], None]) -> None:
        self.endpoint = (endpoint or constants.ENDPOINT).rstrip("/")
        self.cache = Path(constants.HF_HUB_CACHE)
        # A mirror must not learn the token that belongs to the library's own hub.
        self._token = None if self.endpoint == constants.ENDPOINT else False
        self._say = say

    def look_up(self, repository: str, path: str, revision: str) -> Remote | None:
        """Asks for a file's commit, etag and size; None = the repository has no such file.

        Raises:
            DownloadError: no answer, a refusal, or an answer that is not a hub's.
        """
        name = f"{repository}/{path}"
        url = huggingface_hub.hf_hub_url(
            repository, path, revision=revision, endpoint=self.endpoint
        )
        try:
            metadata = self._metadata(name, url)
        except RemoteEntryNotFoundError:
            return None
        commit, etag = metadata.commit_hash or "", metadata.etag or ""
        if not (COMMIT.fullmatch(commit) and ETAG.fullmatch(etag)):
            raise DownloadError(
                f"{name}: {self.endpoint} does not answer like a hub; check --source and the "
                "network's proxy"
            )
        return Remote(repository, path, commit, etag, metadata.size)

    def cached(self, repository: str, path: str, revision: str) -> Path | None:
        """Returns the path of a file in the cache; None = the cache does not have it."""
        found = huggingface_hub.try_to_load_from_cache(
            repository, path, cache_dir=self.cache, revision=revision
        )
        return Path(found) if isinstance(found, str) else None

    def fetch(self, remote: Remote, revision: str, moved: Moved) -> Path:
        """Fetches a file into the cache, under the commit and the revision.

        Args:
            remote: the file.
            revision: the branch, tag or commit that the file was looked up by.
            moved: called with the number of bytes received so far.

        Returns:
            The path of the file in the cache.

        Raises:
            DownloadError: the hub refuses, or the transfer breaks off.
            OutputError: the cache cannot be written, or the disk is full.
        """
        with (
            reporting(self.cache),
            _quiet(lambda line: self._say(f"{remote.name}: {line}")),
            at_stop(lambda: self._remove_parts(remote)),
        ):
            try:
                path = huggingface_hub.hf_hub_download(
                    remote.repository,
                    remote.path,
                    cache_dir=self.cache,
                    revision=revision,
                    endpoint=self.endpoint,
                    token=self._token,
                    etag_timeout=ANSWER_WITHIN_S,
                    tqdm_class=_progress_bar(moved),
                )
            except BROKEN_OFF as error:
                if _is_of_the_disk(error):
                    raise
                raise _fetch_error(remote.name, error) from error
        return Path(path)

    def _remove_parts(self, remote: Remote) -> None:
        """Removes what the library has of a file that is not complete."""
        for part in self.cache.rglob(f"{remote.etag}*.incomplete"):
            part.unlink(missing_ok=True)

    def _metadata(self, name: str, url: str) -> huggingface_hub.HfFileMetadata:
        tries_left = TRIES
        while True:
            tries_left -= 1
            try:
                return huggingface_hub.get_hf_file_metadata(
                    url, token=self._token, timeout=ANSWER_WITHIN_S, endpoint=self.endpoint
                )
            except RemoteEntryNotFoundError:
                raise
            except HfHubHTTPError as error:
                status = error.response.status_code
                asked_s = retry_after_s(error.response.headers.get("Retry-After"))
                wait_s = PAUSE_S if asked_s is None else asked_s
                if status not in PASSING or wait_s > PATIENCE_S or not tries_left:
                    raise refused(name, status, asked_s) from error
                self._say(f"{name}: the hub answers {status}; waiting {wait_s:.1f} s")
                time.sleep(wait_s)
            except NO_ANSWER as error:
                if not tries_left or isinstance(error, OfflineModeIsEnabled):
                    raise unreachable(name, error) from error
                time.sleep(PAUSE_S)


def discard(path: Path) -> None:
    """Removes a file from the cache, so that the next fetch transfers it again.

    Args:
        path: the file's path in the cache, a link to its content.

    Raises:
        OutputError: the cache cannot be written.
    """
    with reporting(path):
        path.resolve().unlink(missing_ok=True)
        path.unlink(missing_ok=True)


def _progress_bar(moved: Moved) -> type[tqdm]:
    """Returns a class of bars that report to `moved`; `_quiet` keeps them from being drawn."""

    class Bar(tqdm):
        def update(self, n: float | None = 1) -> None:
            self.n += n or 0
            moved(int(self.n))

        # Xet transfers count the bytes received, too: compressed, they never reach the file's size.
        def update_transfer(self, n: float) -> None:
            pass

        def set_transfer_postfix_str(self, text: str, refresh: bool = True) -> None:
            pass

    return Bar


class _LineHandler(logging.Handler):
    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        self._say(" ".join(ADDRESS.sub("the hub", record.getMessage()).split()))


@contextmanager
def _quiet(say: Callable[[str], None]) -> Iterator[None]:
    """Keeps the library off the console; its warnings, such as waits and retries, go to `say`."""
    library = huggingface_hub.__name__
    logger = logging.getLogger(library)
    handlers, logger.handlers = logger.handlers, [_LineHandler(say)]
    disable_progress_bars(library)
    try:
        yield
    finally:
        logger.handlers = handlers
        enable_progress_bars(library)


def _is_of_the_disk(error: Exception) -> bool:
    """Whether the system refused to write, rather than the network to answer."""
    is_network = isinstance(error, ConnectionError | TimeoutError)
    return isinstance(error, OSError) and error.errno is not None and not is_network


def _fetch_error(name: str, error: Exception) -> DownloadError:
    cause = (error.__cause__ or error) if isinstance(error, UNREACHED) else error
    if isinstance(cause, HfHubHTTPError):
        headers = cause.response.headers
        return refused(name, cause.response.status_code, retry_after_s(headers.get("Retry-After")))
    if isinstance(error, UNREACHED):
        return unreachable(name, cause if isinstance(cause, Exception) else error)
    return broken_off(name, error)
