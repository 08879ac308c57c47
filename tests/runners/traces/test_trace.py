"""Traces: all messages of a run, readable also after a kill."""

from itertools import islice

import numpy as np
import pyarrow as pa
import pytest

import soundstage
from soundstage.errors import InputError
from soundstage.graph import wire
from soundstage.runners.traces.trace import open_trace, read_trace

TICKS = 3


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A toy run of three ticks: its trace file, its chunks and its graph."""
    path = tmp_path_factory.mktemp("trace") / "run.arrow"
    with soundstage.open(preset="toy", prompts=["pads"], seed=3) as session:
        before = session.state
        with open_trace(path, session.graph, session.runner.weights(), before, "1.2.3") as trace:
            chunks = list(islice(session, TICKS))
            for chunk in chunks:
                trace.write(chunk)
        yield path, chunks, session.graph


def test_messages_are_read_back_byte_for_byte(run):
    path, chunks, _ = run
    trace = read_trace(path)
    assert trace.complete
    messages = {(entry.tick, entry.stage): entry.message.to_pybytes() for entry in trace.entries()}
    assert messages == {
        (tick, stage): pa.py_buffer(message).to_pybytes()
        for tick, chunk in enumerate(chunks)
        for stage, message in chunk.messages.items()
    }


def test_recorded_message_decodes_to_the_stage_outputs(run):
    path, chunks, graph = run
    ports = graph.nodes["crossfade"].outputs
    recorded = [
        wire.decode(ports, entry.message, graph.format.dims).values["audio"]
        for entry in read_trace(path).entries()
        if entry.stage == "crossfade"
    ]
    for audio, chunk in zip(recorded, chunks, strict=True):
        assert np.array_equal(audio, chunk.audio)


def test_header_has_graph_weights_version_and_state(run):
    path, _, graph = run
    trace = read_trace(path)
    assert trace.graph_digest == graph.digest == trace.spec.digest()
    assert set(trace.weights) == {"embed", "quantize"}
    assert trace.version == "1.2.3"
    ports = {name: graph.port(source) for name, source in graph.feedback().items()}
    state = wire.decode(ports, trace.state, graph.format.dims)
    assert state.chunks == (0,)
    assert (np.asarray(state.values["remember.context"]) == -1).all()


def test_trace_is_an_arrow_stream(run):
    path, chunks, _ = run
    table = pa.ipc.open_stream(path.read_bytes()).read_all()
    assert table.column_names == ["tick", "stage", "message", "crc32"]
    assert table.num_rows == TICKS * len(chunks[0].messages)


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9, 0.999])
def test_killed_run_leaves_its_finished_ticks(run, tmp_path, share):
    path, chunks, _ = run
    data = path.read_bytes()
    cut = tmp_path / "cut.arrow"
    cut.write_bytes(data[: int(share * len(data))])
    trace = read_trace(cut)
    assert not trace.complete
    entries = list(trace.entries())
    assert len(entries) == int(share * TICKS) * len(chunks[0].messages)
    for entry in entries:
        message = chunks[entry.tick].messages[entry.stage]
        assert entry.message.to_pybytes() == pa.py_buffer(message).to_pybytes()


def test_tick_is_on_the_disk_before_the_run_ends(tmp_path):
    path = tmp_path / "run.arrow"
    with soundstage.open(preset="toy", prompts=["pads"]) as session:
        weights, state = session.runner.weights(), session.state
        with open_trace(path, session.graph, weights, state, "1") as trace:
            trace.write(next(session))
            assert len(list(read_trace(path).entries())) == len(session.graph.nodes) + 1


def test_failed_run_is_not_complete(tmp_path):
    path = tmp_path / "run.arrow"

    def fail(session):
        weights, state = session.runner.weights(), session.state
        with open_trace(path, session.graph, weights, state, "1") as trace:
            trace.write(next(session))
            raise ZeroDivisionError

    with (
        soundstage.open(preset="toy", prompts=["pads"]) as session,
        pytest.raises(ZeroDivisionError),
    ):
        fail(session)
    trace = read_trace(path)
    assert not trace.complete
    assert len(list(trace.entries())) == len(soundstage.load(preset="toy").nodes) + 1


def test_damaged_message_is_refused(run, tmp_path):
    path, _, _ = run
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    damaged = tmp_path / "damaged.arrow"
    damaged.write_bytes(data)
    with pytest.raises(InputError, match="damaged"):
        list(read_trace(damaged).entries())


@pytest.mark.parametrize("content", [b"", b"\xff\xff\xff\xff", b"no trace at all" * 99])
def test_file_that_is_not_a_trace_is_refused(tmp_path, content):
    path = tmp_path / "other.arrow"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"other\.arrow"):
        read_trace(path)
    with pytest.raises(InputError, match="No such file"):
        read_trace(tmp_path / "missing.arrow")


def test_other_arrow_stream_is_refused(tmp_path):
    path = tmp_path / "other.arrow"
    batch = pa.record_batch({"tick": [1]})
    with pa.ipc.new_stream(str(path), batch.schema) as writer:
        writer.write_batch(batch)
    with pytest.raises(InputError, match="not a trace"):
        read_trace(path)
