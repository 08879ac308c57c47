"""The journal of a session that plays: after any kill, it goes on where the last chunk ended.

A chunk is committed when it has been handed out, never before, so that whoever received the audio
has at least what the journal knows of. A file that would become too long is replaced, at one
stroke, by one that holds the last entry alone. `runners.sessions.journal_file` says what is in it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from soundstage.errors import OutputError
from soundstage.files import replacing, reporting
from soundstage.graph.plan import Graph
from soundstage.graph.state import State, initial
from soundstage.runners.runner import Chunk
from soundstage.runners.sessions.files import (
    SavedSession,
    SessionFileError,
    session_messages,
    state_message,
)
from soundstage.runners.sessions.journal_file import JournalEntry, header, read_journal

if TYPE_CHECKING:
    import io

    import pyarrow as pa

LIMIT_BYTES = 64 * 2**20


class JournalWriter:
    """Commits chunks. Made by `open_journal`."""

    def __init__(
        self, path: Path, graph: Graph, beginning: bytes, first: JournalEntry, limit_bytes: int
    ) -> None:
        self._path = path
        self._graph = graph
        self._beginning = beginning
        self._limit_bytes = limit_bytes
        self._last = first
        self._bytes = self._replace(first.to_bytes())
        self._file = self._open()

    def write(self, chunk: Chunk, samples: int | None = None) -> None:
        """Commits a chunk that has been handed out; it is on the disk when this returns.

        Args:
            chunk: the next chunk of the session.
            samples: samples per channel that were handed out of it; None = all.

        Raises:
            OutputError: the file cannot be written. Then the chunk is not committed, and what was
                committed before still is.
        """
        if samples is None:
            samples = self._graph.format.dims["sample"]
        messages = session_messages(self._graph, chunk.state, chunk.tick.controls)
        entry = _entry(self._last.chunk + 1, self._last.samples + samples, messages)
        data = entry.to_bytes()
        if self._bytes + len(data) > self._limit_bytes:
            self._bytes = self._replace(data)
            self._file.close()
            self._file = self._open()
        else:
            self._append(data)
        self._last = entry

    def close(self) -> None:
        """Lets go of the file."""
        self._file.close()

    def _replace(self, entry: bytes) -> int:
        """Puts a file with one entry in the old one's place; returns its length in bytes."""
        with replacing(self._path) as file, reporting(self._path):
            return file.write(self._beginning + entry)

    def _open(self) -> io.FileIO:
        with reporting(self._path):
            return self._path.open("ab", buffering=0)

    def _append(self, data: bytes) -> None:
        rest = memoryview(data)
        try:
            with reporting(self._path):
                while rest:
                    rest = rest[self._file.write(rest) :]
                os.fsync(self._file.fileno())
        except BaseException:
            # Only the last entry may be torn, and another may yet follow this one.
            with suppress(OSError):
                self._file.truncate(self._bytes)
            raise
        self._bytes += len(data)


@contextmanager
def open_journal(
    path: Path,
    graph: Graph,
    weights: Mapping[str, Mapping[str, str]],
    state: State,
    rows: Sequence[Mapping[str, Any]],
    limit_bytes: int = LIMIT_BYTES,
) -> Iterator[JournalWriter]:
    """Opens the journal of a session; from now on the session can be resumed from it.

    A journal that ends where the session begins, since that was resumed from it, keeps its counts.

    Args:
        path: the file.
        graph: what runs.
        weights: digest and note of every stage with weights, by stage.
        state: the state before the next chunk.
        rows: per row, the controls at present.
        limit_bytes: how long the file may become.

    Raises:
        OutputError: the file cannot be written, or holds something else.
    """
    messages = session_messages(graph, state, rows)
    chunk, samples = _counts(path, graph, messages["state"].to_pybytes())
    first = _entry(chunk, samples, messages)
    writer = JournalWriter(path, graph, header(graph, weights), first, limit_bytes)
    try:
        yield writer
    finally:
        writer.close()


def refuse_other_journal(path: Path, graph: Graph, saved: SavedSession | None) -> None:
    """Finds out now whether `open_journal` would refuse what is at `path`.

    Args:
        path: the journal to write.
        graph: what will run.
        saved: the session that will go on; None = one stream from its beginning.

    Raises:
        OutputError: it holds something else.
    """
    fresh = state_message(graph, initial(graph, ["0"])).to_pybytes()
    _counts(path, graph, fresh if saved is None else saved.state)


def _counts(path: Path, graph: Graph, state: bytes) -> tuple[int, int]:
    """Chunks and samples of the journal that ends at `state`; 0 and 0 if there is no file."""
    if not path.exists():
        return 0, 0
    try:
        found = read_journal(path)
    except SessionFileError as error:
        raise OutputError(f"{error}; give the journal another name, or remove it") from error
    if found.session.state != state or found.session.spec.digest() != graph.digest:
        raise OutputError(
            f"{path}: holds another session, {found.chunks} chunks long: go on with --resume "
            f"{path}, give another name, or remove it"
        )
    return found.chunks, found.samples


def _entry(chunk: int, samples: int, messages: Mapping[str, pa.Buffer]) -> JournalEntry:
    state, controls = messages["state"].to_pybytes(), messages["controls"].to_pybytes()
    return JournalEntry(chunk, samples, state, controls)
