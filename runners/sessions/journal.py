"""The journal of a running session: after a kill, the session resumes after the last chunk.

A chunk is committed after it has been played or written, never before, so that a listener has at
least all committed audio. A file that would become too long is replaced atomically by one with only
the last entry. `runners.sessions.journal_file` describes the file.
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
    """An open journal, made by `open_journal`; it takes every chunk that is handed out."""

    def __init__(
        self, path: Path, graph: Graph, start: bytes, first: JournalEntry, limit_bytes: int
    ) -> None:
        self._path = path
        self._graph = graph
        self._start = start
        self._limit_bytes = limit_bytes
        self._last = first
        self._bytes = self._replace(first.to_bytes())
        self._file = self._open()

    def write(self, chunk: Chunk, samples: int | None = None) -> None:
        """Commits a chunk that has been played or written; it is on the disk on return.

        Args:
            chunk: the next chunk of the session.
            samples: samples per channel of the chunk that were played or written; None = all.

        Raises:
            OutputError: the file cannot be written. The chunk is not committed; earlier ones are.
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
        """Closes the file."""
        self._file.close()

    def _replace(self, entry: bytes) -> int:
        """Replaces the file by one with one entry; returns its length in bytes."""
        with replacing(self._path) as file, reporting(self._path):
            return file.write(self._start + entry)

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
            # Only the last entry of a file may be incomplete, and another one may follow.
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
    """Opens the journal of a session; the session can be resumed from it at once.

    A journal that the session was resumed from keeps its counts.

    Args:
        path: the file.
        graph: the session's graph.
        weights: digest and note of every stage with weights, by stage.
        state: the state before the next chunk.
        rows: per row, the current controls.
        limit_bytes: the greatest length of the file.

    Raises:
        OutputError: the file cannot be written, or is not a journal of this session.
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
    """Checks that `open_journal` will not refuse an existing file.

    Args:
        path: the journal to write.
        graph: the session's graph.
        saved: the session to resume; None = a new session of one stream.

    Raises:
        OutputError: the file is not a journal of this session.
    """
    fresh = state_message(graph, initial(graph, ["0"])).to_pybytes()
    _counts(path, graph, fresh if saved is None else saved.state)


def _counts(path: Path, graph: Graph, state: bytes) -> tuple[int, int]:
    """Returns the chunks and samples of a journal that ends at `state`; 0 and 0 without a file."""
    if not path.exists():
        return 0, 0
    try:
        journal = read_journal(path)
    except SessionFileError as error:
        raise OutputError(f"{error}; give the journal another name, or remove it") from error
    if journal.session.state != state or journal.session.spec.digest() != graph.digest:
        raise OutputError(
            f"{path}: holds another session, {journal.chunks} chunks long: continue it with "
            f"--resume {path}, give another name, or remove it"
        )
    return journal.chunks, journal.samples


def _entry(chunk: int, samples: int, messages: Mapping[str, pa.Buffer]) -> JournalEntry:
    state, controls = messages["state"].to_pybytes(), messages["controls"].to_pybytes()
    return JournalEntry(chunk, samples, state, controls)
