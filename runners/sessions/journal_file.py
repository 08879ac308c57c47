"""The journal file: one entry for each chunk of a session, readable after a kill.

The file is an Arrow stream without an end mark. One record batch of one row is one entry: `chunk`
int64 is the number of chunks committed so far, `samples` int64 the samples per channel played or
written so far, `state` and `controls` large_binary are the messages of `runners.sessions.files`,
`crc32` uint32 is the checksum of all four. The first entry is the state before the first chunk. The
schema's metadata has the pipeline, the weights, the version and what made the file, with their own
checksum.

A session can be resumed from any entry. `runners.sessions.journal` writes the file.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from soundstage.graph.plain_ipc import plain_batch, schema_of
from soundstage.graph.plan import Graph
from soundstage.runners.file_header import MADE_BY, PIPELINE, WEIGHTS, header_metadata
from soundstage.runners.sessions.files import (
    SavedSession,
    SessionFileError,
    read_header,
    read_session,
)
from soundstage.version import version

KIND = b"soundstage journal 1"

_COLUMNS = pa.schema(
    [
        pa.field("chunk", pa.int64(), nullable=False),
        pa.field("samples", pa.int64(), nullable=False),
        pa.field("state", pa.large_binary(), nullable=False),
        pa.field("controls", pa.large_binary(), nullable=False),
        pa.field("crc32", pa.uint32(), nullable=False),
    ]
)
_CHECKED = (PIPELINE, WEIGHTS, b"version")
_ARROW_STREAM = b"\xff\xff\xff\xff"
# An entry begins with Arrow's mark and the length of its metadata. The length is the same for all
# entries, as all have the same columns and one row.
_START_BYTES = 8


@dataclass(frozen=True)
class Journal:
    """The contents of a journal file.

    Attributes:
        session: the session after the last committed chunk.
        chunks: the number of committed chunks.
        samples: samples per channel of these chunks that were played or written. Later samples
            that a listener has are repeated after a resume.
        entries: the entries that the file has, oldest first; a long journal drops its first.
        version: the version of soundstage that wrote it.
    """

    session: SavedSession
    chunks: int
    samples: int
    version: str
    entries: tuple[JournalEntry, ...]


@dataclass(frozen=True)
class JournalEntry:
    """One entry, as described at the top of this file."""

    chunk: int
    samples: int
    state: bytes
    controls: bytes

    @property
    def crc32(self) -> int:
        """The checksum of all fields."""
        numbers = struct.pack("<qq", self.chunk, self.samples)
        return zlib.crc32(self.controls, zlib.crc32(self.state, zlib.crc32(numbers)))

    def to_bytes(self) -> bytes:
        """Returns the bytes of the entry in the file."""
        values = (self.chunk, self.samples, self.state, self.controls, self.crc32)
        pairs = zip(values, _COLUMNS.types, strict=True)
        columns = [pa.array([value], kind) for value, kind in pairs]
        data: bytes = pa.RecordBatch.from_arrays(columns, schema=_COLUMNS).serialize().to_pybytes()
        return data


def header(graph: Graph, weights: Mapping[str, Mapping[str, str]]) -> bytes:
    """Returns the beginning of the file: the schema and its metadata."""
    metadata = {
        b"kind": KIND,
        **header_metadata(graph, weights),
        b"version": version().encode(),
    }
    schema = _COLUMNS.with_metadata(metadata | {b"sha256": _digest(metadata).encode()})
    data: bytes = schema.serialize().to_pybytes()
    return data


def read_saved(path: Path) -> SavedSession:
    """Reads a session from a session file or from a journal.

    Raises:
        SessionFileError: the file is missing, neither of the two, damaged or of a later version.
    """
    try:
        with path.open("rb") as file:
            start = file.read(len(_ARROW_STREAM))
    except OSError as error:
        reason = error.strerror or error
        raise SessionFileError(f"{path}: cannot read it as a session: {reason}") from error
    return read_journal(path).session if start == _ARROW_STREAM else read_session(path)


def is_journal(path: Path) -> bool:
    """Whether a file is marked as a journal, of any version."""
    try:
        with pa.OSFile(str(path)) as file:
            metadata = schema_of(pa.ipc.read_message(file)).metadata or {}
    except (pa.ArrowException, EOFError, OSError):
        return False
    return metadata.get(b"kind", b"").startswith(KIND.rpartition(b" ")[0])


def read_journal(path: Path) -> Journal:
    """Reads a journal up to its last complete entry; an incomplete last entry is no damage.

    Raises:
        SessionFileError: the file is missing, not a journal, of a later version, or damaged before
            its last entry.
    """
    try:
        with pa.OSFile(str(path)) as file:
            schema = schema_of(pa.ipc.read_message(file))
            metadata = schema.metadata or {}
            if metadata.get(b"kind") != KIND or not schema.equals(_COLUMNS):
                raise SessionFileError(f"{path}: is no session, and no journal of this version")
            entries = file.read_buffer()
    except (pa.ArrowException, EOFError, OSError) as error:
        raise SessionFileError(f"{path}: is no journal, or its beginning is damaged") from error
    if metadata.get(b"sha256") != _digest(metadata).encode():
        raise _damaged(path, "its beginning")
    read = read_header(path, metadata)
    found = _entries(path, entries)
    last = found[-1]
    session = SavedSession(path, read.spec, read.weights, last.state, last.controls, read.made_by)
    by = metadata.get(b"version", b"?").decode(errors="replace")
    return Journal(session, last.chunk, last.samples, by, found)


def _digest(metadata: Mapping[bytes, bytes]) -> str:
    digest = hashlib.sha256()
    for name in _CHECKED:
        digest.update(hashlib.sha256(metadata.get(name, b"")).digest())
    if MADE_BY in metadata:  # journals of versions that did not keep it have no digest of it
        digest.update(hashlib.sha256(metadata[MADE_BY]).digest())
    return digest.hexdigest()


def _entries(path: Path, entries: pa.Buffer) -> tuple[JournalEntry, ...]:
    """Reads all complete entries; at least one.

    Raises:
        SessionFileError: there is none, or an earlier entry is damaged or missing.
    """
    reader = pa.BufferReader(entries)
    found: list[JournalEntry] = []
    begin = 0
    while (here := reader.tell()) < entries.size and (entry := _read(reader)) is not None:
        if found and entry.chunk != found[-1].chunk + 1:
            raise _damaged(path, f"after chunk {found[-1].chunk}")
        found.append(entry)
        begin = here
    if not found:
        raise _damaged(path, "the first entry")
    if _has_later_entry(entries, begin):
        raise _damaged(path, f"after chunk {found[-1].chunk}")
    return tuple(found)


def _read(reader: pa.NativeFile) -> JournalEntry | None:
    """Reads the entry at the reader's position; None if it is incomplete or damaged."""
    try:
        batch = plain_batch(pa.ipc.read_message(reader), _COLUMNS)
        (row,) = batch.to_pylist()
    except (pa.ArrowException, EOFError, OSError, ValueError):
        return None
    crc32 = row.pop("crc32")
    if None in row.values():
        return None
    entry = JournalEntry(**row)
    return entry if entry.crc32 == crc32 else None


def _has_later_entry(entries: pa.Buffer, at: int) -> bool:
    """Whether a complete entry starts after the one at `at`."""
    data = entries.to_pybytes()
    start = data[:_START_BYTES]
    while (at := data.find(start, at + 1)) >= 0:
        if _read(pa.BufferReader(entries.slice(at))) is not None:
            return True
    return False


def _damaged(path: Path, where: str) -> SessionFileError:
    return SessionFileError(
        f"{path}: the journal is damaged ({where}): resume a saved session, or start a new one"
    )
