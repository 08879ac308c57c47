"""The trace of a run: the messages of all stages in all ticks, in an Arrow stream file.

One row is one message: `tick` int64 is the number of the tick in this run, from 0, `stage` utf8 is
the stage of the message ("in" for the controls), `message` large_binary is the message as
`graph.wire` encodes it, `crc32` uint32 is its checksum. A tick is one record batch, written when
the tick is done, so that a killed run leaves all its finished ticks. The schema's metadata has the
pipeline, its digest, the weights, the version, what made the file, and the state before the first
tick.
"""

import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from soundstage.errors import InputError
from soundstage.files import reporting
from soundstage.graph import wire
from soundstage.graph.plain_ipc import PlainStream
from soundstage.graph.plan import Graph
from soundstage.graph.spec import PipelineSpec
from soundstage.graph.state import State
from soundstage.runners.file_header import header_metadata, read_header
from soundstage.runners.made_by import MadeBy
from soundstage.runners.runner import Chunk

KIND = b"soundstage trace 1"
_COLUMNS = pa.schema(
    [
        pa.field("tick", pa.int64(), nullable=False),
        pa.field("stage", pa.utf8(), nullable=False),
        pa.field("message", pa.large_binary(), nullable=False),
        pa.field("crc32", pa.uint32(), nullable=False),
    ]
)
_END = b"\xff\xff\xff\xff\x00\x00\x00\x00"


@dataclass(frozen=True)
class TraceEntry:
    """One message of a run.

    Attributes:
        tick: the number of the tick in the run, from 0.
        stage: the stage of the message; "in" for the controls.
        message: a buffer for `graph.wire.decode`.
    """

    tick: int
    stage: str
    message: pa.Buffer


@dataclass(frozen=True)
class Trace:
    """A trace file: its header, and methods that read its messages.

    Attributes:
        path: the file.
        spec: the pipeline that ran, overrides applied.
        graph_digest: the graph's digest.
        weights: digest and note of every stage with weights, by stage.
        version: the version of soundstage that wrote it.
        state: the state before the first tick, as a message.
        complete: False if the run was killed or failed: its last ticks may be missing.
        made_by: what made the file.
    """

    path: Path
    spec: PipelineSpec
    graph_digest: str
    weights: Mapping[str, Mapping[str, str]]
    version: str
    state: bytes
    complete: bool
    made_by: MadeBy

    def entries(self) -> Iterator[TraceEntry]:
        """Reads the messages tick by tick; keeps one tick in memory.

        Raises:
            InputError: a message is damaged. An incomplete last tick of a killed run is no damage.
        """
        with _opened(self.path) as stream:
            batches = iter(stream)
            while True:
                try:
                    batch = next(batches)
                except StopIteration:
                    return
                except (pa.ArrowException, OSError) as error:
                    if not self.complete:
                        return
                    raise _damaged(self.path) from error
                yield from self._rows(batch)

    def ticks(self) -> Iterator[dict[str, pa.Buffer]]:
        """Reads tick by tick; yields the messages by stage, in the order of the file.

        Raises:
            InputError: as `entries`, or a tick is missing.
        """
        by_tick = groupby(self.entries(), key=lambda entry: entry.tick)
        for expected, (tick, entries) in enumerate(by_tick):
            if tick != expected:
                raise _damaged(self.path)
            yield {entry.stage: entry.message for entry in entries}

    def _rows(self, batch: pa.RecordBatch) -> Iterator[TraceEntry]:
        if any(column.null_count for column in batch.columns):
            raise _damaged(self.path)
        for tick, stage, message, crc32 in zip(*batch.columns, strict=True):
            buffer = message.as_buffer()
            if zlib.crc32(buffer) != crc32.as_py():
                raise _damaged(self.path)
            yield TraceEntry(tick.as_py(), stage.as_py(), buffer)


class TraceWriter:
    """A writer of a trace, from `open_trace`."""

    def __init__(self, path: Path, file: BinaryIO, writer: Any) -> None:
        self._path = path
        self._file = file
        self._writer = writer
        self._tick = 0

    def write(self, chunk: Chunk) -> None:
        """Appends all messages of one tick.

        Raises:
            OutputError: the file cannot be written.
        """
        self.write_messages(chunk.messages)

    def write_messages(self, by_stage: Mapping[str, Any]) -> None:
        """Appends one tick: messages by stage.

        Raises:
            OutputError: the file cannot be written.
        """
        messages = [pa.py_buffer(message) for message in by_stage.values()]
        columns = [
            [self._tick] * len(messages),
            list(by_stage),
            [message.to_pybytes() for message in messages],
            [zlib.crc32(message) for message in messages],
        ]
        arrays = [pa.array(*pair) for pair in zip(columns, _COLUMNS.types, strict=True)]
        with reporting(self._path):
            self._writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=_COLUMNS))
            self._file.flush()
        self._tick += 1


@contextmanager
def open_trace(
    path: Path,
    graph: Graph,
    weights: Mapping[str, Mapping[str, str]],
    state: State,
    version: str,
) -> Iterator[TraceWriter]:
    """Opens a trace file, which can be read up to the last written tick even after a kill.

    Args:
        path: the file; an old one is replaced at once.
        graph: the graph that runs.
        weights: digest and note of every stage with weights, by stage.
        state: the state before the first tick.
        version: soundstage's version.

    Raises:
        OutputError: the file cannot be written.
    """
    ports = {name: graph.port(source) for name, source in graph.feedback().items()}
    message = wire.encode(ports, state.values, state.streams, state.chunks, graph.format.dims)
    header = {
        b"kind": KIND,
        **header_metadata(graph, weights),
        b"graph": graph.digest.encode(),
        b"version": version.encode(),
        b"state": message.to_pybytes(),
    }
    with reporting(path):
        file = path.open("wb")
    with file:
        with reporting(path):
            writer = pa.ipc.new_stream(file, _COLUMNS.with_metadata(header))
        yield TraceWriter(path, file, writer)
        # Only a run without an error writes the end mark.
        with reporting(path):
            writer.close()


def read_trace(path: Path) -> Trace:
    """Reads the header of a trace; `Trace.entries` reads the messages.

    Raises:
        InputError: the file is missing, not a trace, damaged or of a later version.
    """
    with _opened(path) as stream:
        header = stream.schema.metadata or {}
        if header.get(b"kind") != KIND or not stream.schema.equals(_COLUMNS):
            raise InputError(f"{path}: this Arrow file is not a trace of this version")
    try:
        read = read_header(header)
        texts = {name: header[name.encode()].decode() for name in ("graph", "version")}
        state = header[b"state"]
    except (KeyError, ValueError) as error:
        raise _damaged(path) from error
    complete = _tail(path) == _END
    return Trace(
        path,
        read.spec,
        texts["graph"],
        read.weights,
        texts["version"],
        state,
        complete,
        read.made_by,
    )


@contextmanager
def _opened(path: Path) -> Iterator[PlainStream]:
    try:
        file = pa.OSFile(str(path))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    with file:
        if not file.size():
            raise InputError(
                f"{path}: is empty: the run was stopped before its first tick was done"
            )
        try:
            stream = PlainStream(file)
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{path}: is no recorded run, or its beginning is damaged") from error
        yield stream


def _tail(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(-len(_END), 2)
        return file.read()


def _damaged(path: Path) -> InputError:
    return InputError(f"{path}: the trace is damaged; record it again")
