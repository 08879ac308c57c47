"""The session file: a saved session as one Arrow file with a checksum."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from soundstage.errors import Error
from soundstage.files import replacing, reporting
from soundstage.graph import wire
from soundstage.graph.plain_ipc import PlainStream
from soundstage.graph.plan import Graph
from soundstage.graph.spec import PipelineSpec
from soundstage.graph.state import State, stack_controls
from soundstage.runners import file_header
from soundstage.runners.file_header import MADE_BY, PIPELINE, WEIGHTS, FileHeader, header_metadata
from soundstage.runners.made_by import MadeBy

KIND = b"soundstage session 1"
# An Arrow file is this mark, padded to 8 bytes, an Arrow stream, and a footer.
MAGIC, START_BYTES = b"ARROW1", 8

# The greatest index of a chunk: 136 years of music in chunks of 2 s.
MOST_CHUNKS = 2**31 - 1
_COLUMNS = pa.schema([("state", pa.binary()), ("controls", pa.binary())])


class SessionFileError(Error, ValueError):
    """A file is not a session, is damaged, or belongs to another graph or other weights."""

    exit_code = 3


@dataclass(frozen=True)
class SavedSession:
    """The contents of a session file.

    Attributes:
        path: the file, quoted in errors.
        spec: the session's pipeline, overrides applied.
        weights: digest and note of every stage with weights, by stage.
        state: the state, as a message.
        controls: the rows' controls, as a message.
        made_by: what made the file.
    """

    path: Path
    spec: PipelineSpec
    weights: Mapping[str, Mapping[str, str]]
    state: bytes
    controls: bytes
    made_by: MadeBy = field(default_factory=lambda: MadeBy({}))

    def restore(
        self, graph: Graph, weights: Mapping[str, Mapping[str, str]]
    ) -> tuple[State, list[dict[str, Any]]]:
        """Returns the state and the rows' controls, if graph and weights are the session's.

        Raises:
            SessionFileError: the graph or the weights of a stage are others, or state and controls
                do not fit the graph or each other.
        """
        if graph.digest != self.spec.digest():
            raise SessionFileError(
                f"{self.path}: made by another graph (pipeline {self.spec.name!r}); resume it "
                "without --pipeline, --preset and --set"
            )
        if difference := self.other_weights(weights):
            raise SessionFileError(f"{self.path}: {difference}: restore those weights")
        dims = graph.format.dims
        ports = {name: graph.port(source) for name, source in graph.feedback().items()}
        control_ports = {name: control.port for name, control in graph.controls.items()}
        try:
            state = wire.decode(ports, self.state, dims)
            controls = wire.decode(control_ports, self.controls, dims)
        except wire.WireError as error:
            raise SessionFileError(f"{self.path}: {error}") from error
        self._refuse_unfit_rows(state, controls)
        rows = [
            {name: value[row] for name, value in controls.values.items()}
            for row in range(len(state.streams))
        ]
        values = {name: np.asarray(value) for name, value in state.values.items()}
        return State(state.streams, state.chunks, values), rows

    def other_weights(self, weights: Mapping[str, Mapping[str, str]]) -> str:
        """Returns which stage has other weights than the session's; "" = none."""
        for stage, saved in self.weights.items():
            current = weights.get(stage, {"digest": "", "note": "none"})
            if current["digest"] != saved["digest"]:
                was, now = saved["note"], current["note"]
                return f"stage {stage!r} had other weights ({was}) than it has now ({now})"
        return ""

    def _refuse_unfit_rows(self, state: wire.Message, controls: wire.Message) -> None:
        if (state.streams, state.chunks) != (controls.streams, controls.chunks):
            raise SessionFileError(
                f"{self.path}: the file is damaged: its state and its controls are of other streams"
            )
        if len(set(state.streams)) < len(state.streams):
            raise SessionFileError(f"{self.path}: the file is damaged: a stream is in it twice")
        if not all(0 <= chunk <= MOST_CHUNKS for chunk in state.chunks):
            raise SessionFileError(f"{self.path}: the file is damaged: it has no chunk as its next")


def write_session(
    path: Path,
    graph: Graph,
    weights: Mapping[str, Mapping[str, str]],
    state: State,
    rows: Sequence[Mapping[str, Any]],
) -> None:
    """Writes a session file; an old file stays until the new one is complete.

    Raises:
        OutputError: the file cannot be written.
    """
    content = session_bytes(graph, header_metadata(graph, weights), state, rows)
    with replacing(path) as file, reporting(path):
        file.write(content)


def session_bytes(
    graph: Graph,
    metadata: Mapping[bytes, bytes],
    state: State,
    rows: Sequence[Mapping[str, Any]],
) -> pa.Buffer:
    """Returns the contents of a session file.

    Args:
        graph: the session's graph.
        metadata: what `header_metadata` returns for it.
        state: the state.
        rows: per row, the controls.
    """
    payload = session_messages(graph, state, rows)
    header = {b"kind": KIND, **metadata}
    header[b"sha256"] = _digest(header, payload).encode()
    batch = pa.record_batch({name: [part.to_pybytes()] for name, part in payload.items()})
    schema = batch.schema.with_metadata(header)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, schema) as writer:
        writer.write_batch(batch.cast(schema))
    return sink.getvalue()


def session_messages(
    graph: Graph, state: State, rows: Sequence[Mapping[str, Any]]
) -> dict[str, pa.Buffer]:
    """Returns the messages "state" and "controls" of a `SavedSession`."""
    ports = {name: control.port for name, control in graph.controls.items()}
    controls = stack_controls(graph, rows)
    dims = graph.format.dims
    return {
        "state": state_message(graph, state),
        "controls": wire.encode(ports, controls, state.streams, state.chunks, dims),
    }


def state_message(graph: Graph, state: State) -> pa.Buffer:
    """Returns a state as a message."""
    ports = {name: graph.port(source) for name, source in graph.feedback().items()}
    return wire.encode(ports, state.values, state.streams, state.chunks, graph.format.dims)


def read_session(path: Path) -> SavedSession:
    """Reads a session file.

    Raises:
        SessionFileError: the file is missing, not a session, damaged or of a later version.
    """
    try:
        with pa.OSFile(str(path)) as file:
            return read_session_from(file, path)
    except OSError as error:
        raise SessionFileError(f"{path}: cannot read it as a session: {_first(error)}") from error


def read_session_from(file: pa.NativeFile, path: Path) -> SavedSession:
    """Reads a session from an open file, or from bytes in memory.

    Args:
        file: the file or the bytes.
        path: the file's name, quoted in errors.

    Raises:
        SessionFileError: the file is not a session, damaged or of a later version.
    """
    try:
        if file.read(START_BYTES)[: len(MAGIC)] != MAGIC:
            raise SessionFileError(f"{path}: this is not a session file")
        if file.read_at(len(MAGIC), file.size() - len(MAGIC)) != MAGIC:
            raise SessionFileError(f"{path}: the file is damaged: its end is missing")
        file.seek(START_BYTES)
        stream = PlainStream(file)
        header = stream.schema.metadata or {}
        if header.get(b"kind") != KIND or not stream.schema.equals(_COLUMNS):
            raise SessionFileError(f"{path}: this Arrow file is not a session of this version")
        (batch,) = stream
        (payload,) = batch.to_pylist()
    except SessionFileError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        raise SessionFileError(f"{path}: cannot read it as a session: {_first(error)}") from error
    if None in payload.values():
        raise SessionFileError(f"{path}: the file is damaged: a value is missing")
    if header.get(b"sha256") != _digest(header, payload).encode():
        raise SessionFileError(f"{path}: the file is damaged: its checksum does not match")
    read = read_header(path, header)
    state, controls = payload["state"], payload["controls"]
    return SavedSession(path, read.spec, read.weights, state, controls, read.made_by)


def read_header(path: Path, metadata: Mapping[bytes, bytes]) -> FileHeader:
    """Reads the header in a session's metadata.

    Raises:
        SessionFileError: a part is missing or cannot be read.
    """
    try:
        return file_header.read_header(metadata)
    except ValueError as error:
        raise SessionFileError(f"{path}: its pipeline cannot be read: {error}") from error


def _digest(header: Mapping[bytes, bytes], payload: Mapping[str, Any]) -> str:
    digest = hashlib.sha256()
    parts = [header.get(name, b"") for name in (PIPELINE, WEIGHTS)]
    # Files of versions that did not keep it have no digest of it.
    parts += [header[name] for name in (MADE_BY,) if name in header]
    for part in (*parts, payload["state"], payload["controls"]):
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()


def _first(error: BaseException) -> str:
    return str(error).splitlines()[0]
