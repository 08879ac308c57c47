"""`soundstage models download`: fetches missing files, checks and records them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from filelock import FileLock, Timeout

from soundstage.errors import ModelError, OutputError, UsageError
from soundstage.files import file_sha256, reporting
from soundstage.progress import Progress
from soundstage.stages.weights.models_folder import model_paths
from soundstage.stages.weights.published.catalogue import PublishedFile, PublishedModel, Terms
from soundstage.stages.weights.published.origins import (
    FolderOrigin,
    Offer,
    Origin,
    lacking_bytes,
)
from soundstage.stages.weights.published.records import Record, Records, new_record

LOCK = ".lock"
SHOWN_DIGITS = 12


@dataclass(frozen=True)
class DownloadRequest:
    """The arguments of a download.

    Attributes:
        models: the models to fetch.
        source: a folder, the URL of a mirror, or "" for the publishers' own hub.
        offline: use only the cache; send no requests.
        revision: a branch, tag or commit instead of the recorded one; "" = the recorded commit,
            or the catalogue's revision where none is recorded.
    """

    models: Sequence[PublishedModel]
    source: str = ""
    offline: bool = False
    revision: str = ""


@dataclass(frozen=True)
class _PlannedFile:
    """A file that is about to be fetched."""

    model: PublishedModel
    file: PublishedFile
    offer: Offer


def download(
    request: DownloadRequest,
    terms: Terms,
    folder: Path,
    progress: Progress,
    print_line: Callable[[str], None],
) -> None:
    """Fetches the missing files of models and checks the others against their records.

    Args:
        request: the models, and where they come from.
        terms: shown once for every repository.
        folder: the models folder.
        progress: shows the transfers.
        print_line: called with a line for every file.

    Raises:
        UsageError: options exclude each other, or the source does not exist.
        DownloadError: a file cannot be fetched.
        ModelError: a file is damaged, or its hash is not the recorded or stated one.
        OutputError: the disk has no room, or cannot be written.
    """
    with _locked(folder, progress):
        origin = open_origin(request, folder, progress.say)
        records = _show_terms(request.models, terms, Records.read(folder), progress)
        if request.revision:
            for model in request.models:
                records = records.without(model)
        fetcher = _Fetcher(origin, request.revision, folder, progress, print_line)
        planned_files = list(fetcher.plan(request.models, records))
        _check_room([planned.offer for planned in planned_files])
        for planned in planned_files:
            records = fetcher.fetch(planned, records)
            records.write(folder)
        for model in request.models:
            if line := _conversion_line(model):
                print_line(line)


def open_origin(request: DownloadRequest, folder: Path, say: Callable[[str], None]) -> Origin:
    """Opens the origin that a request names.

    Raises:
        UsageError: the source does not exist, `--offline` excludes it, or the extra `published`
            is not installed.
    """
    is_url = request.source.startswith(("http://", "https://"))
    if request.source and not is_url:
        path = Path(request.source).expanduser()
        if not path.is_dir():
            raise UsageError(f"--source {request.source}: no such folder, and no http(s) URL")
        return FolderOrigin(path.resolve(), folder)
    if request.offline and is_url:
        raise UsageError(
            f"--offline and --source {request.source} exclude each other: --offline uses only the "
            "cache"
        )
    try:
        from soundstage.stages.weights.published.hub import Hub
        from soundstage.stages.weights.published.hub_origin import CacheOrigin, HubOrigin
    except ModuleNotFoundError as error:
        raise UsageError(
            f"downloading needs {error.name}, which is not installed: in soundstage's source "
            "folder, run pip install '.[published]', or name a folder with --source"
        ) from error

    hub = Hub(request.source or None, say)
    return CacheOrigin(hub) if request.offline else HubOrigin(hub)


@contextmanager
def _locked(folder: Path, progress: Progress) -> Iterator[None]:
    with reporting(folder):
        folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        progress.say("another download is running; waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _show_terms(
    models: Iterable[PublishedModel], terms: Terms, records: Records, progress: Progress
) -> Records:
    for model in models:
        if model.repository not in records.terms:
            progress.say(
                f"{model.repository}: weights {terms.weights}, code {terms.code}; {terms.summary}. "
                f"In full: {model.card}"
            )
            records = records.with_terms(model.repository)
    return records


def _check_room(offers: Sequence[Offer]) -> None:
    for folder in {offer.room_in for offer in offers}:
        needed = sum(offer.room_bytes for offer in offers if offer.room_in == folder)
        if lacking := lacking_bytes(folder, needed):
            raise OutputError(
                f"{folder}: needs {needed / 1e6:.0f} MB, {lacking / 1e6:.0f} MB more than the disk "
                "has left: make room"
            )


@dataclass(frozen=True)
class _Fetcher:
    """Plans and fetches files; see `download` for the attributes."""

    origin: Origin
    revision: str
    folder: Path
    progress: Progress
    print_line: Callable[[str], None]

    def plan(self, models: Iterable[PublishedModel], records: Records) -> Iterator[_PlannedFile]:
        """Yields the files that are not in the models folder just as they were recorded."""
        for model in models:
            revision = self.revision or records.commits.get(model.name, model.revision)
            for file in model.files:
                if not self.revision and self._is_as_recorded(model, file, records):
                    continue
                offer = self.origin.offer(model, file, revision)
                if offer is not None:
                    yield _PlannedFile(model, file, offer)
                elif file.optional:
                    self.print_line(f"{model.local_name(file)}: not available, and optional")
                else:
                    raise self.origin.missing(model, file)

    def _is_as_recorded(self, model: PublishedModel, file: PublishedFile, records: Records) -> bool:
        path, record = self.folder / model.local_name(file), records.of(model, file)
        if record is None or not path.exists():
            return False
        with self.progress.step(f"checking {path.name}"):
            digest = file_sha256(path)
        summary = _summary(model, file, path, digest)
        if digest == record.sha256:
            self.print_line(f"{summary}: present, as {record.summary}")
            return True
        self.print_line(f"{summary}: damaged; fetching it again")
        return False

    def fetch(self, planned: _PlannedFile, records: Records) -> Records:
        """Fetches a file and returns the records with it."""
        model, file, offer = planned.model, planned.file, planned.offer
        path, record = self.folder / model.local_name(file), records.of(model, file)
        with self.progress.moving(file.name, offer.total_bytes) as moved:
            digest = offer.install(path, partial(check_hash, model, file, record), moved)
        summary = _summary(model, file, path, digest)
        if record is not None:
            self.print_line(f"{summary}: as {record.summary}")
            return records
        size = path.stat().st_size
        notes = filter(None, [offer.stated_by, file.compared_with_reports(digest, size)])
        stated = "".join(f" ({note})" for note in notes)
        self.print_line(f"{summary}{stated}: recorded, and checked from now on")
        new = new_record(digest, size, offer.origin)
        records = records.with_file(model, file, new)
        return records.with_commit(model, offer.commit) if offer.commit else records


def check_hash(
    model: PublishedModel, file: PublishedFile, record: Record | None, digest: str
) -> None:
    """Refuses a file whose SHA-256 is not the catalogue's or not the recorded one.

    Raises:
        ModelError: with both hashes.
    """
    if file.sha256 and digest != file.sha256:
        raise ModelError(
            f"{file.path}: SHA-256 is {digest[:SHOWN_DIGITS]}, but the catalogue has "
            f"{file.sha256[:SHOWN_DIGITS]}; nothing was kept"
        )
    if record is not None and digest != record.sha256:
        raise ModelError(
            f"{file.path}: SHA-256 is {digest[:SHOWN_DIGITS]}, but {record.sha256[:SHOWN_DIGITS]} "
            f"was {record.summary}; nothing was kept: if its publishers changed it and you trust "
            f"them, `soundstage models download {model.name} --revision {model.revision}`"
        )


def _summary(model: PublishedModel, file: PublishedFile, path: Path, digest: str) -> str:
    size = path.stat().st_size
    return f"{model.local_name(file)}: {size / 1e6:.1f} MB, SHA-256 {digest[:SHOWN_DIGITS]}"


def _conversion_line(model: PublishedModel) -> str:
    """Says that a converted file is used instead of the fetched ones; "" = there is none."""
    used = next((path for path in model_paths(model.name) if path.exists()), None)
    published = {model.local_name(file).partition("/")[0] for file in model.files}
    if used is None or used.name in published:
        return ""
    return f"{used.name}: converted earlier; {model.name} still means this file"
