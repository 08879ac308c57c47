"""`soundstage models download`: what is not there comes, and is checked, recorded and named."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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
    """What is asked for.

    Attributes:
        models: which.
        source: a folder, the URL of a mirror, or "" for the publishers' own hub.
        offline: ask nobody.
        revision: a branch, tag or commit instead of the recorded one; "" = the recorded one, else
            the catalogue's.
    """

    models: Sequence[PublishedModel]
    source: str = ""
    offline: bool = False
    revision: str = ""


@dataclass(frozen=True)
class _Wanted:
    model: PublishedModel
    file: PublishedFile
    place: Path
    offer: Offer


def download(
    request: DownloadRequest,
    terms: Terms,
    folder: Path,
    progress: Progress,
    tell: Callable[[str], None],
) -> None:
    """Fetches what is missing of models and checks what is there.

    Args:
        request: what is asked for.
        terms: shown once for every repository.
        folder: the models folder.
        progress: where news goes.
        tell: called with a line for every file.

    Raises:
        UsageError: options that do not go together.
        DownloadError: something cannot be had.
        ModelError: something is not what was recorded, stated or named.
        OutputError: there is no room for it, or it cannot be written.
    """
    with _locked(folder, progress):
        origin = open_origin(request, folder, progress.say)
        records = _shown_terms(request, terms, Records.read(folder), progress)
        if request.revision:
            for model in request.models:
                records = records.without(model)
        wanted = []
        for model in request.models:
            for file in model.files:
                if not request.revision and _is_there(model, file, folder, records, tell, progress):
                    continue
                wanted += _asked(request, origin, model, file, folder, records, tell)
        _check_room(wanted)
        for one in wanted:
            records = _bring(one, records, progress, tell)
            records.write(folder)
        for model in request.models:
            _tell_converted(model, tell)


def open_origin(request: DownloadRequest, folder: Path, say: Callable[[str], None]) -> Origin:
    """Where files come from.

    Raises:
        UsageError: there is no such source, or nobody may be asked.
    """
    is_url = request.source.startswith(("http://", "https://"))
    if request.source and not is_url:
        path = Path(request.source).expanduser()
        if not path.is_dir():
            raise UsageError(f"--source {request.source}: no such folder, and no http(s) URL")
        return FolderOrigin(path.resolve(), folder)
    from soundstage.stages.weights.published.hub import Hub
    from soundstage.stages.weights.published.hub_origin import CacheOrigin, HubOrigin

    if request.offline and is_url:
        raise UsageError("--offline asks nobody, and --source names somebody; give one of them")
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
        progress.say("another download is under way; waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _shown_terms(
    request: DownloadRequest, terms: Terms, records: Records, progress: Progress
) -> Records:
    for model in request.models:
        if model.repository not in records.terms:
            progress.say(
                f"{model.repository}: weights {terms.weights}, code {terms.code}; {terms.summary}. "
                f"In full: {model.card}"
            )
            records = records.with_terms(model.repository)
    return records


def _is_there(
    model: PublishedModel,
    file: PublishedFile,
    folder: Path,
    records: Records,
    tell: Callable[[str], None],
    progress: Progress,
) -> bool:
    """Whether a file is in its place, just as it was recorded."""
    place, record = folder / model.place(file), records.of(model, file)
    if record is None or not place.exists():
        return False
    with progress.step(f"checking {place.name}"):
        digest = file_sha256(place)
    if digest == record.sha256:
        tell(f"{_told(model, file, digest, record.bytes)}: there, as {record.when}")
        return True
    tell(f"{_told(model, file, digest, place.stat().st_size)}: damaged; it comes again")
    return False


def _asked(
    request: DownloadRequest,
    origin: Origin,
    model: PublishedModel,
    file: PublishedFile,
    folder: Path,
    records: Records,
    tell: Callable[[str], None],
) -> list[_Wanted]:
    revision = request.revision or records.commits.get(model.name, model.revision)
    offer = origin.offer(model, file, revision)
    if offer is not None:
        return [_Wanted(model, file, folder / model.place(file), offer)]
    if not file.optional:
        raise origin.missing(model, file)
    tell(f"{model.place(file)}: not there, and needed by few")
    return []


def _check_room(wanted: Sequence[_Wanted]) -> None:
    for folder in {one.offer.room_in for one in wanted}:
        needed = sum(one.offer.room_bytes for one in wanted if one.offer.room_in == folder)
        if lacking := lacking_bytes(folder, needed):
            raise OutputError(
                f"{folder}: needs {needed / 1e6:.0f} MB, {lacking / 1e6:.0f} MB more than the disk "
                "has left: make room"
            )


def _bring(
    one: _Wanted, records: Records, progress: Progress, tell: Callable[[str], None]
) -> Records:
    known = records.of(one.model, one.file)
    check = partial(check_hash, one.model, one.file, known)
    with progress.moving(one.file.name, one.offer.total_bytes) as moved:
        digest = one.offer.bring(one.place, check, moved)
    size = one.place.stat().st_size
    told = _told(one.model, one.file, digest, size)
    stated = f" ({one.offer.stated})" if one.offer.stated else ""
    if known is not None:
        tell(f"{told}: as {known.when}")
        return records
    tell(f"{told}{stated}: recorded, and checked from now on")
    records = records.with_file(one.model, one.file, new_record(digest, size, one.offer.origin))
    return records.with_commit(one.model, one.offer.commit) if one.offer.commit else records


def check_hash(
    model: PublishedModel, file: PublishedFile, known: Record | None, digest: str
) -> None:
    """Refuses a file that is not the one recorded, or the one that the catalogue names.

    Raises:
        ModelError: with both hashes.
    """
    if file.sha256 and digest != file.sha256:
        raise ModelError(
            f"{file.path}: SHA-256 is {digest[:SHOWN_DIGITS]}, but soundstage knows it as "
            f"{file.sha256[:SHOWN_DIGITS]}; nothing was kept"
        )
    if known is not None and digest != known.sha256:
        raise ModelError(
            f"{file.path}: SHA-256 is {digest[:SHOWN_DIGITS]}, but {known.sha256[:SHOWN_DIGITS]} "
            f"was {known.when}; nothing was kept: if its publishers changed it and you trust them, "
            f"`soundstage models download {model.name} --revision {model.revision}`"
        )


def _told(model: PublishedModel, file: PublishedFile, digest: str, size: int) -> str:
    return f"{model.place(file)}: {size / 1e6:.1f} MB, SHA-256 {digest[:SHOWN_DIGITS]}"


def _tell_converted(model: PublishedModel, tell: Callable[[str], None]) -> None:
    first = next((path for path in model_paths(model.name) if path.exists()), None)
    published = {model.place(file).partition("/")[0] for file in model.files}
    if first is not None and first.name not in published:
        tell(f"{first.name}: converted before, and still what {model.name} means")
