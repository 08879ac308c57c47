"""The journal file: how far a session has come, one entry a chunk, readable after any kill.

It is an Arrow stream file that never ends. One record batch of one row is one entry: `chunk` int64
counts the chunks that were committed since the journal began, `samples` int64 the samples per
channel that had been handed out by then, `state` and `controls` large_binary are the messages of
`runners.sessions.files`, `crc32` uint32 is the checksum of all four. The first entry is what was
before the first chunk. The schema's metadata says what ran, with a checksum of its own.

Every entry is enough to go on from. `runners.sessions.journal` writes them.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from soundstage.graph.plan import Graph
from soundstage.graph.problem import PipelineError
from soundstage.graph.spec import parse
from soundstage.runners.sessions.files import SavedSession, SessionFileError, read_session
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
_CHECKED = (b"pipeline", b"weights", b"version")
_ARROW_STREAM = b"\xff\xff\xff\xff"
# An entry begins with Arrow's mark and the length of its metadata, which is the same for all, as
# all have the same columns and one row.
_START_BYTES = 8


@dataclass(frozen=True)
class Journal:
    """What a journal file holds.

    Attributes:
        session: the session behind the last chunk that was committed.
        chunks: chunks committed since the journal began.
        samples: samples per channel that were handed out with them. What a listener has beyond
            that comes again when the session goes on.
        version: the version of soundstage that wrote it.
    """

    session: SavedSession
    chunks: int
    samples: int
    version: str


@dataclass(frozen=True)
class JournalEntry:
    """One entry, as told at the top of this file."""

    chunk: int
    samples: int
    state: bytes
    controls: bytes

    @property
    def crc32(self) -> int:
        """The checksum of everything in it."""
        numbers = struct.pack("<qq", self.chunk, self.samples)
        return zlib.crc32(self.controls, zlib.crc32(self.state, zlib.crc32(numbers)))

    def to_bytes(self) -> bytes:
        """The entry as it stands in the file, behind `header` or another entry."""
        values = (self.chunk, self.samples, self.state, self.controls, self.crc32)
        pairs = zip(values, _COLUMNS.types, strict=True)
        columns = [pa.array([value], kind) for value, kind in pairs]
        data: bytes = pa.RecordBatch.from_arrays(columns, schema=_COLUMNS).serialize().to_pybytes()
        return data


def header(graph: Graph, weights: Mapping[str, Mapping[str, str]]) -> bytes:
    """The beginning of the file: its schema, which says what runs."""
    told = {
        b"kind": KIND,
        b"pipeline": json.dumps(graph.spec.as_dict()).encode(),
        b"weights": json.dumps({stage: dict(entry) for stage, entry in weights.items()}).encode(),
        b"version": version().encode(),
    }
    schema = _COLUMNS.with_metadata(told | {b"sha256": _digest(told).encode()})
    data: bytes = schema.serialize().to_pybytes()
    return data


def read_saved(path: Path) -> SavedSession:
    """Reads a session from a session file or from a journal, whichever it is.

    Raises:
        SessionFileError: the file is missing, neither, damaged or of a later version.
    """
    try:
        with path.open("rb") as file:
            start = file.read(len(_ARROW_STREAM))
    except OSError as error:
        reason = error.strerror or error
        raise SessionFileError(f"{path}: cannot read it as a session: {reason}") from error
    return read_journal(path).session if start == _ARROW_STREAM else read_session(path)


def is_journal(path: Path) -> bool:
    """Whether a file says of itself that it is a journal, of whatever version."""
    try:
        with pa.OSFile(str(path)) as file:
            metadata = pa.ipc.read_schema(pa.ipc.read_message(file)).metadata or {}
    except (pa.ArrowException, EOFError, OSError):
        return False
    return metadata.get(b"kind", b"").startswith(KIND.rpartition(b" ")[0])


def read_journal(path: Path) -> Journal:
    """Reads a journal up to its last whole entry. What a kill left unfinished is no damage.

    Raises:
        SessionFileError: the file is missing, no journal, of a later version, or damaged before
            its end.
    """
    try:
        with pa.OSFile(str(path)) as file:
            schema = pa.ipc.read_schema(pa.ipc.read_message(file))
            told = schema.metadata or {}
            if told.get(b"kind") != KIND or not schema.equals(_COLUMNS):
                raise SessionFileError(f"{path}: is no session, and no journal of this version")
            entries = file.read_buffer()
    except (pa.ArrowException, EOFError, OSError) as error:
        raise SessionFileError(f"{path}: is no journal, or its beginning is damaged") from error
    if told.get(b"sha256") != _digest(told).encode():
        raise _damaged(path, "its beginning")
    try:
        spec = parse(json.loads(told[b"pipeline"]))
    except PipelineError as error:
        raise SessionFileError(f"{path}: its pipeline cannot be read: {error}") from error
    last = _last(path, entries)
    weights = json.loads(told[b"weights"])
    session = SavedSession(path, spec, weights, last.state, last.controls)
    return Journal(session, last.chunk, last.samples, told[b"version"].decode())


def _digest(told: Mapping[bytes, bytes]) -> str:
    digest = hashlib.sha256()
    for name in _CHECKED:
        digest.update(hashlib.sha256(told.get(name, b"")).digest())
    return digest.hexdigest()


def _last(path: Path, entries: pa.Buffer) -> JournalEntry:
    """The last whole entry.

    Raises:
        SessionFileError: there is none, or one before it is damaged or missing.
    """
    reader = pa.BufferReader(entries)
    last, begin = None, 0
    while (here := reader.tell()) < entries.size and (entry := _read(reader)) is not None:
        if last is not None and entry.chunk != last.chunk + 1:
            raise _damaged(path, f"behind chunk {last.chunk}")
        last, begin = entry, here
    if last is None:
        raise _damaged(path, "the first entry")
    if _goes_on(entries, begin):
        raise _damaged(path, f"behind chunk {last.chunk}")
    return last


def _read(reader: pa.NativeFile) -> JournalEntry | None:
    """The entry that begins where the reader stands; None if there is no whole one."""
    try:
        batch = pa.ipc.read_record_batch(pa.ipc.read_message(reader), _COLUMNS)
        # Arrow believes what a file says of itself: a damaged one would lead it out of bounds.
        batch.validate(full=True)
        (row,) = batch.to_pylist()
    except (pa.ArrowException, EOFError, OSError, ValueError):
        return None
    crc32 = row.pop("crc32")
    if None in row.values():
        return None
    entry = JournalEntry(**row)
    return entry if entry.crc32 == crc32 else None


def _goes_on(entries: pa.Buffer, at: int) -> bool:
    """Whether a whole entry begins behind the one at `at`, which then is not the last."""
    data = entries.to_pybytes()
    start = data[:_START_BYTES]
    while (at := data.find(start, at + 1)) >= 0:
        if _read(pa.BufferReader(entries.slice(at))) is not None:
            return True
    return False


def _damaged(path: Path, where: str) -> SessionFileError:
    return SessionFileError(
        f"{path}: the journal is damaged ({where}): go on from a saved session, or begin anew"
    )
