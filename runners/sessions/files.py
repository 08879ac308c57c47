"""The session file: a saved session as one Arrow file with a checksum."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import TypeAdapter

from soundstage.errors import Error
from soundstage.files import replacing, reporting
from soundstage.graph import wire
from soundstage.graph.plain_ipc import PlainStream
from soundstage.graph.plan import Graph
from soundstage.graph.problem import PipelineError
from soundstage.graph.spec import PipelineSpec, parse
from soundstage.graph.state import State, stack_controls

KIND = b"soundstage session 1"
# An Arrow file is this mark, padded to 8 bytes, an Arrow stream, and a footer.
MAGIC, START_BYTES = b"ARROW1", 8

_WEIGHTS = TypeAdapter(dict[str, dict[str, str]])
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
    """

    path: Path
    spec: PipelineSpec
    weights: Mapping[str, Mapping[str, str]]
    state: bytes
    controls: bytes

    def restore(
        self, graph: Graph, weights: Mapping[str, Mapping[str, str]]
    ) -> tuple[State, list[dict[str, Any]]]:
        """Returns the state and the rows' controls, if graph and weights are the session's.

        Raises:
            SessionFileError: the graph or the weights of a stage are others.
        """
        if graph.digest != self.spec.digest():
            raise SessionFileError(
                f"{self.path}: made by another graph (pipeline {self.spec.name!r}); resume it "
                "without --pipeline, --preset and --set"
            )
        for stage, saved in self.weights.items():
            current = weights.get(stage, {"digest": "", "note": "none"})
            if current["digest"] != saved["digest"]:
                raise SessionFileError(
                    f"{self.path}: stage {stage!r} had other weights ({saved['note']}) than it "
                    f"has now ({current['note']}): restore those weights"
                )
        dims = graph.format.dims
        ports = {name: graph.port(source) for name, source in graph.feedback().items()}
        control_ports = {name: control.port for name, control in graph.controls.items()}
        try:
            state = wire.decode(ports, self.state, dims)
            controls = wire.decode(control_ports, self.controls, dims).values
        except wire.WireError as error:
            raise SessionFileError(f"{self.path}: {error}") from error
        rows = [
            {name: value[row] for name, value in controls.items()}
            for row in range(len(state.streams))
        ]
        values = {name: np.asarray(value) for name, value in state.values.items()}
        return State(state.streams, state.chunks, values), rows


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
    content = session_bytes(graph, weights, state, rows)
    with replacing(path) as file, reporting(path):
        file.write(content)


def session_bytes(
    graph: Graph,
    weights: Mapping[str, Mapping[str, str]],
    state: State,
    rows: Sequence[Mapping[str, Any]],
) -> pa.Buffer:
    """Returns the contents of a session file."""
    payload = session_messages(graph, state, rows)
    header = {
        b"kind": KIND,
        b"pipeline": json.dumps(graph.spec.as_dict()).encode(),
        b"weights": json.dumps({stage: dict(entry) for stage, entry in weights.items()}).encode(),
    }
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
    except (pa.ArrowException, OSError, ValueError) as error:
        raise SessionFileError(f"{path}: cannot read it as a session: {_first(error)}") from error
    if None in payload.values():
        raise SessionFileError(f"{path}: the file is damaged: a value is missing")
    if header.get(b"sha256", b"").decode() != _digest(header, payload):
        raise SessionFileError(f"{path}: the file is damaged: its checksum does not match")
    spec, weights = read_header(path, header)
    return SavedSession(path, spec, weights, payload["state"], payload["controls"])


def read_header(path: Path, header: Mapping[bytes, bytes]) -> tuple[PipelineSpec, Any]:
    """Reads the pipeline and the weights of a session's metadata.

    Raises:
        SessionFileError: one of them is missing or cannot be read.
    """
    try:
        return parse(json.loads(header[b"pipeline"])), _WEIGHTS.validate_json(header[b"weights"])
    except KeyError as error:
        raise SessionFileError(f"{path}: the file is damaged: it has no {error}") from error
    except (PipelineError, ValueError, RecursionError) as error:
        raise SessionFileError(f"{path}: its pipeline cannot be read: {error}") from error


def _digest(header: Mapping[bytes, bytes], payload: Mapping[str, Any]) -> str:
    digest = hashlib.sha256()
    parts = (header.get(name, b"") for name in (b"pipeline", b"weights"))
    for part in (*parts, payload["state"], payload["controls"]):
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()


def _first(error: BaseException) -> str:
    return str(error).splitlines()[0]
