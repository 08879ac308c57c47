"""One file from a hub to the disk: goes on where it was cut off, and knows what came."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from soundstage.errors import DownloadError
from soundstage.files import reporting
from soundstage.stages.weights.published.hub import NO_ANSWER, PAUSE_S, TRIES, Hub, Remote
from soundstage.stages.weights.published.hub_errors import cut_off, refused, retry_after_s

BLOCK_BYTES = 1 << 20
WHOLE, PARTIAL, BEYOND = 200, 206, 416


@dataclass
class _Arrived:
    """What has come so far: the open file, its hash and how long it is."""

    path: Path
    bytes: int = 0

    def __post_init__(self) -> None:
        self.digest = hashlib.sha256()

    def restart(self) -> None:
        self.path.unlink(missing_ok=True)
        self.bytes, self.digest = 0, hashlib.sha256()


def transfer(hub: Hub, remote: Remote, part: Path, moved: Callable[[int], None]) -> str:
    """Fetches a file's bytes.

    What came before, in an earlier process too, is not asked for again. A connection that breaks is
    opened again as long as something comes.

    Args:
        hub: where from.
        remote: what.
        part: where to; may hold a beginning. It holds the whole when this returns.
        moved: called with how many bytes are there.

    Returns:
        SHA-256 of the whole, as hex digits.

    Raises:
        DownloadError: nothing more comes; `part` holds what did.
        OutputError: the disk refuses.
    """
    arrived = _resumed(part)
    tries_left = TRIES
    while remote.bytes is None or arrived.bytes < remote.bytes:
        before = arrived.bytes
        moved(before)
        tries_left -= 1
        try:
            complete = _receive(hub, remote, arrived, moved, tries_left)
        except NO_ANSWER:
            complete = False
        if complete and remote.bytes is None:
            break
        tries_left = TRIES if arrived.bytes > before else tries_left
        if not tries_left:
            raise cut_off(remote.what, arrived.bytes, remote.bytes)
        if arrived.bytes == before:
            time.sleep(PAUSE_S)
    if remote.bytes is not None and arrived.bytes > remote.bytes:
        arrived.restart()
        raise DownloadError(
            f"{remote.what}: more came than the {remote.bytes} bytes that the hub announced; "
            "nothing was kept: run the same command again"
        )
    moved(arrived.bytes)
    return arrived.digest.hexdigest()


def _resumed(part: Path) -> _Arrived:
    arrived = _Arrived(part)
    with reporting(part):
        part.touch()
    for block in _blocks(part):
        arrived.digest.update(block)
        arrived.bytes += len(block)
    return arrived


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while block := stream.read(BLOCK_BYTES):
            yield block


def _receive(
    hub: Hub, remote: Remote, arrived: _Arrived, moved: Callable[[int], None], tries_left: int
) -> bool:
    """Takes one answer; whether it came to its end."""
    with hub.open(remote, arrived.bytes) as answer:
        status = answer.status_code
        if status == BEYOND:
            arrived.restart()
            return False
        if status not in (WHOLE, PARTIAL):
            hub.wait(
                remote.what, status, retry_after_s(answer.headers.get("Retry-After")), tries_left
            )
            return False
        if status == WHOLE:
            arrived.restart()  # whoever does not know ranges sends everything again
        elif not _continues(answer.headers.get("Content-Range"), arrived.bytes):
            raise refused(remote.what, status, None)
        with reporting(arrived.path), arrived.path.open("ab") as stream:
            for block in answer.iter_raw():  # as it comes, so that nothing is lost
                stream.write(block)
                arrived.digest.update(block)
                arrived.bytes += len(block)
                moved(arrived.bytes)
            stream.flush()
            os.fsync(stream.fileno())
    return True


def _continues(content_range: str | None, start: int) -> bool:
    return content_range is not None and content_range.startswith(f"bytes {start}-")
