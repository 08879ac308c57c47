"""`read_run`: recorded runs, sessions and journals as Arrow tables and NumPy arrays."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import soundstage
from soundstage.runners.traces.trace import open_trace
from soundstage.version import version

FILES = Path(__file__).parents[2] / "golden" / "earlier_files"
FRAME, CHUNK = 1920, 3840


@pytest.fixture(scope="module")
def run():
    return soundstage.read_run(FILES / "toy.arrow")


def test_recorded_run_has_the_messages_of_every_stage(run):
    assert (run.kind, run.spec.name, run.complete) == ("recorded run", "toy", True)
    stages = {"embed", "quantize", "pack", "sample", "decode", "remember", "crossfade"}
    assert set(run.names) == {"in", *stages}
    assert run.state.chunks == (0,)
    assert run.state.values["crossfade.tail"].shape == (1, FRAME, 2)
    assert not run.state.values["crossfade.tail"].any()


def test_ports_are_arrays_by_tick_and_row(run):
    tokens = run.array("sample", "tokens")
    assert (tokens.dtype, tokens.shape) == (np.int32, (2, 1, 2, 16))
    audio = run.array("crossfade", "audio")
    assert (audio.dtype, audio.shape) == (np.float32, (2, 1, CHUNK, 2))
    with soundstage.resume(FILES / "toy.session") as session:
        remembered = session.state.values["remember.context"]
    assert (run.array("remember", "context")[-1] == remembered).all()


def test_controls_are_numbers_texts_and_lists(run):
    assert run.array("in", "seed").tolist() == [[7], [7]]
    assert run.array("in", "texts") == [[["bells"]], [["bells"]]]
    (clips,), _ = run.array("in", "clips")
    assert (clips.dtype, clips.shape) == (np.float32, (0, 160_000))


def test_messages_are_an_arrow_table(run):
    table = run.table("decode")
    assert table.schema.names == ["_tick", "_stream", "_chunk", "audio"]
    assert table.column("_tick").to_pylist() == table.column("_chunk").to_pylist() == [0, 1]
    assert table.column("_stream").to_pylist() == ["0", "0"]
    assert table.schema.field("audio").metadata[b"kind"] == b"audio"
    audio = table.column("audio").combine_chunks().to_numpy_ndarray()
    assert (audio == run.array("decode", "audio")[:, 0]).all()
    assert run.table("in").column("texts").to_pylist() == [["bells"], ["bells"]]


@pytest.mark.parametrize(
    ("name", "kind", "ticks"), [("toy.session", "session", 1), ("toy.journal", "journal", 3)]
)
def test_session_and_journal_have_controls_and_the_state(name, kind, ticks):
    run = soundstage.read_run(FILES / name)
    assert (run.kind, run.names, run.state.chunks) == (kind, ("in",), (2,))
    assert run.array("in", "seed").tolist() == [[7]] * ticks
    assert run.table("in").num_rows == ticks
    with soundstage.resume(FILES / name) as session:
        for port, value in session.state.values.items():
            assert (run.state.values[port] == value).all()


def test_rows_are_rows_of_arrays_and_tables(tmp_path):
    rows = [{"prompts": ["a", "b"], "seed": 1}, {"prompts": ["c"], "seed": 2}]
    with soundstage.open("toy", rows=rows, settings=["format.chunk_s=0.08"]) as session:
        path, weights = tmp_path / "run.arrow", session.runner.weights()
        with open_trace(path, session.graph, weights, session.state, version()) as trace:
            chunks = [next(session) for _ in range(2)]
            for chunk in chunks:
                trace.write(chunk)
    run = soundstage.read_run(str(path))
    audio = run.array("crossfade", "audio")
    assert (audio == np.stack([chunk.audio for chunk in chunks])).all()
    assert run.array("in", "texts") == [[["a", "b"], ["c"]]] * 2
    assert run.table("in").column("_stream").to_pylist() == ["0", "1", "0", "1"]
    assert run.table("in").column("_tick").to_pylist() == [0, 0, 1, 1]
    assert run.weights == weights


def test_names_that_are_not_there_are_refused_with_the_nearest(run):
    with pytest.raises(soundstage.UsageError, match="no messages of 'sampel'; did you mean 'sampl"):
        run.table("sampel")
    with pytest.raises(soundstage.UsageError, match="no port 'token'; did you mean 'tokens'"):
        run.array("sample", "token")
    session = soundstage.read_run(FILES / "toy.session")
    with pytest.raises(soundstage.UsageError, match="this session has no messages of 'decode'"):
        session.array("decode", "audio")


def test_files_that_hold_no_run_are_refused(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"RIFF" + bytes(99))
    with pytest.raises(soundstage.InputError, match="no recorded run, no saved session and no"):
        soundstage.read_run(tmp_path / "a.wav")
    with pytest.raises(soundstage.InputError, match=r"none\.arrow: cannot be read: No such file"):
        soundstage.read_run(tmp_path / "none.arrow")
    start = (FILES / "toy.arrow").read_bytes()
    shutil.copy(FILES / "toy.arrow", tmp_path / "cut.arrow")
    (tmp_path / "cut.arrow").write_bytes(start[: start.index(b"crossfade") + 8])
    with pytest.raises(soundstage.InputError):
        soundstage.read_run(tmp_path / "cut.arrow")


def test_stopped_run_is_incomplete_and_has_its_finished_ticks(tmp_path):
    data = (FILES / "toy.arrow").read_bytes()
    batches = pa.ipc.open_stream(FILES / "toy.arrow").read_all().to_batches()
    assert len(batches) == 2
    (tmp_path / "cut.arrow").write_bytes(data[:-1000])
    run = soundstage.read_run(tmp_path / "cut.arrow")
    assert not run.complete
    assert run.array("sample", "tokens").shape == (1, 1, 2, 16)
