"""Valid Arrow files whose contents do not fit: one line and exit code 3, whatever is wrong."""

import zlib
from dataclasses import replace

import pyarrow as pa
import pytest
from command_line import run, told

import soundstage
from soundstage.errors import Error
from soundstage.graph.state import initial
from soundstage.runners.sessions import files
from soundstage.runners.sessions.files import read_session, session_messages
from soundstage.runners.sessions.journal_file import JournalEntry, _digest, header, read_journal
from soundstage.runners.traces.trace import open_trace, read_trace

SHORT = ["format.chunk_s=0.08", "format.context_s=0.08"]
DEEP = b"[" * 5000
HEADERS = {
    "no pipeline": {b"pipeline": None},
    "no weights": {b"weights": None},
    "pipeline is a list": {b"pipeline": b"[]"},
    "pipeline is a number": {b"pipeline": b"3"},
    "pipeline is deep": {b"pipeline": DEEP},
    "pipeline is not UTF-8": {b"pipeline": b"\xff"},
    "pipeline has a huge number": {b"pipeline": b'{"schema": 1e999}'},
    "weights are a list": {b"weights": b"[]"},
    "weights lack a digest": {b"weights": b'{"embed": {"note": "x"}}'},
    "weights are numbers": {b"weights": b'{"embed": {"note": 1, "digest": 2}}'},
    "weights are deep": {b"weights": DEEP},
    "what made it is a list": {b"made_by": b"[]"},
}


@pytest.fixture(scope="module")
def toy():
    with soundstage.open("toy", settings=SHORT, prompts=["pads"], seed=7) as session:
        yield session, next(session)


def session_file(path, session, state, controls, changes):
    """A session file with a right checksum."""
    metadata = {b"kind": files.KIND, **files.header_metadata(session.graph, {})} | changes
    metadata = {name: value for name, value in metadata.items() if value is not None}
    payload = {"state": bytes(state), "controls": bytes(controls)}
    metadata.setdefault(b"sha256", files._digest(metadata, payload).encode())
    batch = pa.record_batch({name: [part] for name, part in payload.items()})
    schema = batch.schema.with_metadata(metadata)
    with pa.ipc.new_file(str(path), schema) as writer:
        writer.write_batch(batch.cast(schema))


def refused(*arguments):
    done = run(*arguments)
    assert done.code == 3, done.stderr
    return told(done.stderr)


@pytest.mark.parametrize("changes", [*HEADERS.values(), {b"sha256": b"\xff\xfe"}])
def test_session_whose_header_does_not_fit_is_refused(toy, tmp_path, changes):
    session, chunk = toy
    messages = session_messages(session.graph, chunk.state, chunk.tick.controls)
    path = tmp_path / "odd.session"
    session_file(path, session, messages["state"], messages["controls"], changes)
    with pytest.raises(Error) as error:
        read_session(path)
    assert str(path) in str(error.value)
    assert str(path) in refused("inspect", path)


@pytest.mark.parametrize("changes", [*HEADERS.values(), {b"version": b"\xff"}, {b"version": None}])
def test_journal_whose_header_does_not_fit_is_refused_or_read(toy, tmp_path, changes):
    session, chunk = toy
    messages = session_messages(session.graph, chunk.state, chunk.tick.controls)
    schema = pa.ipc.read_schema(pa.py_buffer(header(session.graph, {})))
    metadata = {k: v for k, v in (schema.metadata | changes).items() if v is not None}
    metadata[b"sha256"] = _digest(metadata).encode()
    entry = JournalEntry(1, 10, messages["state"].to_pybytes(), messages["controls"].to_pybytes())
    path = tmp_path / "odd.journal"
    path.write_bytes(schema.with_metadata(metadata).serialize().to_pybytes() + entry.to_bytes())
    if b"version" in changes:
        assert read_journal(path).chunks == 1
    else:
        assert str(path) in refused("inspect", path)


@pytest.mark.parametrize("changes", [*HEADERS.values(), {b"state": None}, {b"graph": b"\xff"}])
def test_trace_whose_header_does_not_fit_is_refused(toy, tmp_path, changes):
    session, chunk = toy
    whole, path = tmp_path / "whole.arrow", tmp_path / "odd.arrow"
    with open_trace(whole, session.graph, {}, chunk.state, "1") as trace:
        trace.write(chunk)
    with pa.ipc.open_stream(str(whole)) as stream:
        table = stream.read_all()
    metadata = {k: v for k, v in (table.schema.metadata | changes).items() if v is not None}
    with pa.ipc.new_stream(str(path), table.schema.with_metadata(metadata)) as writer:
        writer.write_table(table.replace_schema_metadata(metadata))
    with pytest.raises(Error):
        read_trace(path)
    assert str(path) in refused("inspect", path)
    assert str(path) in refused("replay", path, "--quiet")


@pytest.mark.parametrize("damage", ["null", "no message", "other ports", "other rows"])
def test_trace_whose_messages_do_not_fit_is_refused(toy, tmp_path, damage):
    session, chunk = toy
    whole, path = tmp_path / "whole.arrow", tmp_path / "odd.arrow"
    weights, state = session.runner.weights(), initial(session.graph, ["0"])
    with open_trace(whole, session.graph, weights, state, "1") as trace:
        trace.write(chunk)
    with pa.ipc.open_stream(str(whole)) as stream:
        table = stream.read_all()
    rows = table.to_pylist()
    if damage == "null":
        rows[0]["message"] = None
    elif damage == "no message":
        rows[0]["message"] = b"no message"
    elif damage == "other ports":
        rows[0]["message"] = next(row["message"] for row in rows if row["stage"] == "decode")
    else:
        controls = chunk.tick.controls * 2
        two = session_messages(session.graph, initial(session.graph, ["0", "1"]), controls)
        rows[0]["message"] = two["controls"].to_pybytes()
    for row in rows:
        row["crc32"] = zlib.crc32(row["message"] or b"")
    columns = [pa.array([row[field.name] for row in rows], field.type) for field in table.schema]
    with pa.ipc.new_stream(str(path), table.schema) as writer:
        writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=table.schema))
    assert str(path) in refused("replay", path, "--quiet")


@pytest.mark.parametrize(
    ("streams", "chunks", "words"),
    [
        ((["0"], ["1"]), ([1], [1]), "of other streams"),
        ((["0"], ["0"]), ([1], [2]), "of other streams"),
        ((["0", "1"], ["0"]), ([1, 1], [1]), "of other streams"),
        ((["0", "0"], ["0", "0"]), ([1, 1], [1, 1]), "a stream is in it twice"),
        ((["0"], ["0"]), ([-1], [-1]), "no chunk as its next"),
        ((["0"], ["0"]), ([2**63 - 1], [2**63 - 1]), "no chunk as its next"),
    ],
)
def test_session_whose_rows_do_not_fit_is_refused(toy, tmp_path, streams, chunks, words):
    session, chunk = toy
    parts = []
    for names, indices, part in zip(streams, chunks, ("state", "controls"), strict=True):
        state = chunk.state.pick([0] * len(names)).rename(names)
        state = replace(state, chunks=tuple(indices))
        rows = chunk.tick.controls * len(names)
        parts.append(session_messages(session.graph, state, rows)[part].to_pybytes())
    path = tmp_path / "odd.session"
    session_file(path, session, *parts, {})
    assert words in refused("inspect", path)
    with pytest.raises(Error, match=words):
        soundstage.resume(path)
