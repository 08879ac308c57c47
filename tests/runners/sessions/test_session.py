"""Sessions: steering, saving, resuming and branching."""

import re
import subprocess
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import soundstage
from soundstage.runners.sessions.files import read_session

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def toy():
    with soundstage.open(preset="toy", prompts=["warm pads"], seed=7) as session:
        yield session


@pytest.fixture
def session(toy):
    """A fresh session on the module's runner."""
    return soundstage.Session(toy.runner, [{"prompts": ["warm pads"], "seed": 7}])


def audio(session, chunks):
    return np.concatenate([chunk.audio for chunk in islice(session, chunks)], axis=1)


def test_equal_seeds_give_equal_bytes(session, toy):
    again = soundstage.Session(toy.runner, [{"prompts": ["warm pads"], "seed": 7}])
    other = soundstage.Session(toy.runner, [{"prompts": ["warm pads"], "seed": 8}])
    first = audio(session, 3)
    assert first.shape == (1, 3 * 96_000, 2)
    assert first.tobytes() == audio(again, 3).tobytes()
    assert first.tobytes() != audio(other, 3).tobytes()


def test_steering_takes_effect_at_the_next_chunk(session, toy):
    plain = soundstage.Session(toy.runner, [{"prompts": ["warm pads"], "seed": 7}])
    first = audio(session, 2)
    session.steer(seed=99)
    second = audio(session, 1)
    expected = audio(plain, 3)
    assert first.tobytes() == expected[:, : 2 * 96_000].tobytes()
    assert second.tobytes() != expected[:, 2 * 96_000 :].tobytes()


@pytest.mark.parametrize("lookahead", [1, 3])
def test_steering_discards_chunks_made_ahead(session, toy, lookahead):
    eager = soundstage.Session(
        toy.runner, [{"prompts": ["warm pads"], "seed": 7}], lookahead=lookahead
    )
    for each in (session, eager):
        each.made = audio(each, 2)
        each.steer(seed=99, prompts=["jazz"])
        each.made = np.concatenate([each.made, audio(each, 2)], axis=1)
    assert session.made.tobytes() == eager.made.tobytes()


@pytest.mark.parametrize(
    ("controls", "reason"),
    [
        ({"temperatur": 1.0}, "did you mean 'temperature'"),
        ({"temperature": float("nan")}, "temperature: nan is not a finite number"),
        ({"temperature": -1}, "temperature: -1 is outside the range"),
        ({"top_k": 1.5}, "top_k: expected a whole number"),
        ({"seed": "seven"}, "seed: expected a whole number"),
        ({"prompts": [("jazz", -1.0)]}, "weight -1.0"),
        ({"prompts": [("jazz", float("nan"))]}, "weight nan"),
        ({"prompts": [("jazz", 0.0)]}, "zero"),
        ({"prompts": []}, "prompt"),
        ({"prompts": "jazz"}, r"write \['jazz'\]"),
        ({"text_weights": [1.0, 2.0]}, "texts has 1 entries but text_weights has 2"),
    ],
)
def test_bad_controls_are_refused_and_change_nothing(session, toy, controls, reason):
    plain = soundstage.Session(toy.runner, [{"prompts": ["warm pads"], "seed": 7}])
    played = audio(session, 1)
    with pytest.raises(soundstage.ControlError, match=reason):
        session.steer(**controls)
    played = np.concatenate([played, audio(session, 1)], axis=1)
    assert played.tobytes() == audio(plain, 2).tobytes()


def test_steering_one_row_does_not_change_others(toy):
    rows = [{"prompts": ["warm pads"], "seed": seed} for seed in (1, 2)]
    left, right = (soundstage.Session(toy.runner, rows) for _ in range(2))
    right.steer(1, seed=50)
    one, two = audio(left, 2), audio(right, 2)
    assert one[0].tobytes() == two[0].tobytes()
    assert one[1].tobytes() != two[1].tobytes()
    with pytest.raises(soundstage.ControlError, match="no row 2: the rows are 0 to 1"):
        right.steer(2, seed=1)


def test_row_in_a_batch_gives_the_same_bytes_as_alone(toy):
    rows = [{"prompts": [f"style {seed}"], "seed": seed} for seed in range(3)]
    together = audio(soundstage.Session(toy.runner, rows), 2)
    for row, controls in enumerate(rows):
        alone = audio(soundstage.Session(toy.runner, [controls]), 2)
        assert alone[0].tobytes() == together[row].tobytes()


def test_resumed_session_gives_the_same_bytes(session, tmp_path):
    audio(session, 2)
    session.save(tmp_path / "x.session")
    expected = audio(session, 3)
    with soundstage.resume(tmp_path / "x.session") as resumed:
        assert resumed.state.chunks == (2,)
        assert audio(resumed, 3).tobytes() == expected.tobytes()


def test_session_resumed_in_a_new_process_gives_the_same_bytes(session, tmp_path):
    audio(session, 1)
    session.save(tmp_path / "x.session")
    script = (
        "import sys, hashlib, soundstage\n"
        "with soundstage.resume(sys.argv[1]) as session:\n"
        "    print(hashlib.sha256(next(session).audio.tobytes()).hexdigest())\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "x.session")]
    out = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    import hashlib

    assert out.strip() == hashlib.sha256(audio(session, 1).tobytes()).hexdigest()


def test_steered_controls_are_saved(session, tmp_path):
    session.steer(temperature=0.5, prompts=["drums", ("bass", 0.25)])
    session.save(tmp_path / "x.session")
    with soundstage.resume(tmp_path / "x.session") as resumed:
        (row,) = resumed.controls
        assert row["texts"] == ["drums", "bass"]
        assert row["text_weights"].tolist() == [1.0, 0.25]
        assert row["temperature"] == np.float32(0.5)


def test_branch_does_not_change_the_original_session(session, toy):
    plain = soundstage.Session(toy.runner, [{"prompts": ["warm pads"], "seed": 7}])
    before = audio(session, 2)
    branch = session.branch(prompts=["jazz"], seed=3)
    same = session.branch()
    branched = audio(branch, 2)
    after = audio(session, 2)
    expected = audio(plain, 4)
    assert np.concatenate([before, after], axis=1).tobytes() == expected.tobytes()
    assert audio(same, 2).tobytes() == after.tobytes()
    assert branched.tobytes() != after.tobytes()


def damage(path, how):
    data = path.read_bytes()
    path.write_bytes(how(data))


@pytest.mark.parametrize(
    "how",
    [
        lambda data: b"",
        lambda data: data[: len(data) // 2],
        lambda data: data[:-3],
        lambda data: b"RIFF" + data[4:],
        lambda data: data[: len(data) // 2] + b"\xff" + data[len(data) // 2 + 1 :],
    ],
)
def test_damaged_session_file_is_refused(session, tmp_path, how):
    path = tmp_path / "x.session"
    session.save(path)
    damage(path, how)
    with pytest.raises(soundstage.SessionFileError, match=r"x\.session"):
        soundstage.resume(path)


def test_other_arrow_file_and_missing_file_are_refused(tmp_path):
    path = tmp_path / "x.session"
    with pa.OSFile(str(path), "wb") as file:
        batch = pa.record_batch({"a": [1]})
        with pa.ipc.new_file(file, batch.schema) as writer:
            writer.write_batch(batch)
    with pytest.raises(soundstage.SessionFileError, match="not a session"):
        soundstage.resume(path)
    with pytest.raises(soundstage.SessionFileError, match="cannot read"):
        soundstage.resume(tmp_path / "nowhere.session")


def test_session_of_another_graph_or_weights_is_refused(session, tmp_path):
    session.save(tmp_path / "x.session")
    saved = read_session(tmp_path / "x.session")
    for settings, reason in [
        (["embed.params.weights=random:1"], "another graph"),
        (["inputs.seed=5"], None),
    ]:
        with soundstage.open(preset="toy", settings=settings) as other:
            if reason is None:
                soundstage.Session.resume(other.runner, saved)
                continue
            with pytest.raises(soundstage.SessionFileError, match=reason):
                soundstage.Session.resume(other.runner, saved)
    weights = {stage: {"digest": "0" * 64, "note": "other"} for stage in saved.weights}
    with pytest.raises(soundstage.SessionFileError, match="had other weights"):
        saved.restore(session.graph, weights)


def test_failed_save_leaves_the_old_file(session, tmp_path):
    path = tmp_path / "x.session"
    session.save(path)
    before = path.read_bytes()
    session._rows = [{"texts": object()}]
    with pytest.raises(KeyError):
        session.save(path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.session"]


@pytest.mark.parametrize("place", ["nowhere/x.session", "."])
def test_saving_to_a_bad_path_is_refused_with_the_path(session, tmp_path, place):
    with pytest.raises(soundstage.OutputError, match=re.escape(str(tmp_path / place))):
        session.save(tmp_path / place)
    assert list(tmp_path.iterdir()) == []


def test_save_without_room_leaves_the_old_file(session, tmp_path):
    resource = pytest.importorskip("resource", reason="this system has no limit to set")
    path = tmp_path / "x.session"
    session.save(path)
    before = path.read_bytes()
    audio(session, 1)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, hard))
    try:
        with pytest.raises(soundstage.OutputError, match=r"x\.session: cannot be written"):
            session.save(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.session"]
