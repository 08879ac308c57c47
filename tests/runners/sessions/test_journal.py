"""The journal of a session: it has exactly the committed chunks, whatever happens."""

import json
import re
from itertools import islice

import numpy as np
import pyarrow as pa
import pytest
import soundfile
from command_line import run, told
from running_graphs import LOOP_OF_TWO, graph

import soundstage
from soundstage.runners.local import LocalRunner
from soundstage.runners.sessions.journal import open_journal
from soundstage.runners.sessions.journal_file import KIND, read_journal, read_saved
from soundstage.runners.sessions.session import Session

CHUNKS = 4
CONTROLS = {"prompts": ["warm pads"], "seed": 7}


@pytest.fixture(scope="module")
def toy():
    with soundstage.open(preset="toy") as session:
        yield session.runner


@pytest.fixture(scope="module")
def counter():
    """A runner with a state of one number, so that a journal has a few kilobytes."""
    with LocalRunner(graph(LOOP_OF_TWO, {"n": "there.sum"}, {"step": 2})) as runner:
        yield runner


@pytest.fixture
def written(counter, tmp_path):
    """A journal of some chunks, and the start of each entry."""
    path = tmp_path / "set.journal"
    session, begins = Session(counter), []
    with session.journal(path) as journal:
        for chunk in islice(session, CHUNKS):
            begins.append(path.stat().st_size)
            journal.write(chunk, 10)
    return path, begins


def numbers(session, chunks):
    return [int(chunk.outputs["n"][0]) for chunk in islice(session, chunks)]


def audio(session, chunks):
    return np.concatenate([chunk.audio for chunk in islice(session, chunks)], axis=1).tobytes()


def test_session_resumes_after_the_last_committed_chunk(toy, tmp_path):
    path = tmp_path / "set.journal"
    session = Session(toy, [CONTROLS, {"prompts": ["acid"], "seed": 8}], lookahead=2)
    with session.journal(path) as journal:
        for _ in range(3):
            journal.write(next(session))
            # The journal can be read at any time, and so after a kill.
            assert read_saved(path).restore(toy.graph, toy.weights())[0].chunks == (
                session.state.chunks
            )
        next(session)  # made, but not committed
        assert read_journal(path).samples == 3 * 96_000
    plain = Session(toy, [CONTROLS, {"prompts": ["acid"], "seed": 8}])
    audio(plain, 3)
    with soundstage.resume(path) as resumed:
        assert audio(resumed, 2) == audio(plain, 2)


def test_new_journal_has_the_initial_state(toy, tmp_path):
    session = Session(toy, [CONTROLS])
    with session.journal(tmp_path / "set.journal"):
        pass
    with soundstage.resume(tmp_path / "set.journal") as resumed:
        assert audio(resumed, 1) == audio(session, 1)


def test_steer_is_in_the_journal_with_the_next_chunk(toy, tmp_path):
    path = tmp_path / "set.journal"
    session = Session(toy, [CONTROLS])
    with session.journal(path) as journal:
        for seed in (1, 2):
            journal.write(next(session))
            session.steer(seed=seed)
    with soundstage.resume(path) as resumed:
        assert resumed.controls[0]["seed"] == 1


def test_resumed_session_continues_its_journal_and_its_counts(counter, tmp_path):
    path = tmp_path / "set.journal"
    expected = numbers(Session(counter), 9)
    played = []
    for session_number in range(3):
        session = Session.resume(counter, read_saved(path)) if session_number else Session(counter)
        with session.journal(path) as journal:
            for chunk in islice(session, 3):
                played.append(int(chunk.outputs["n"][0]))
                journal.write(chunk, 100)
    assert played == expected
    assert (read_journal(path).chunks, read_journal(path).samples) == (9, 900)


def test_file_of_another_session_is_refused_and_unchanged(counter, toy, written):
    path, _ = written
    before = path.read_bytes()
    for session in (Session(counter), Session(toy)):
        with pytest.raises(soundstage.OutputError, match="another session, 4 chunks long"):
            with session.journal(path):
                pass
    assert path.read_bytes() == before
    path.write_bytes(b"the notes of a concert")
    with pytest.raises(soundstage.OutputError, match="is no journal"):
        with Session(counter).journal(path):
            pass
    assert path.read_bytes() == b"the notes of a concert"


def test_journal_of_another_graph_or_weights_is_refused(toy, tmp_path):
    path = tmp_path / "set.journal"
    with Session(toy, [CONTROLS]).journal(path):
        pass
    saved = read_saved(path)
    with soundstage.open(preset="toy", settings=["embed.params.weights=random:1"]) as other:
        with pytest.raises(soundstage.SessionFileError, match="another graph"):
            Session.resume(other.runner, saved)
    weights = {stage: {"digest": "0" * 64, "note": "other"} for stage in saved.weights}
    with pytest.raises(soundstage.SessionFileError, match="had other weights"):
        saved.restore(toy.graph, weights)


def test_journal_with_a_truncated_entry_ends_at_the_one_before(counter, written):
    path, begins = written
    data = path.read_bytes()
    for end in range(begins[-1], len(data)):
        path.write_bytes(data[:end])
        journal = read_journal(path)
        assert (journal.chunks, journal.samples) == (CHUNKS - 1, 10 * (CHUNKS - 1)), end
    resumed = Session.resume(counter, journal.session)
    assert numbers(resumed, 2) == numbers(Session(counter), CHUNKS + 1)[-2:]


def test_truncated_entry_is_removed_when_the_journal_continues(counter, written):
    path, begins = written
    path.write_bytes(path.read_bytes()[: begins[-1] + 100])
    session = Session.resume(counter, read_saved(path))
    with session.journal(path) as journal:
        for chunk in islice(session, 3):
            journal.write(chunk, 10)
    assert read_journal(path).chunks == CHUNKS + 2
    assert (
        numbers(Session.resume(counter, read_saved(path)), 1)
        == (numbers(Session(counter), CHUNKS + 3)[-1:])
    )


def test_damage_before_the_last_entry_is_refused_or_has_no_effect(written):
    path, begins = written
    data = path.read_bytes()
    last = read_journal(path)
    refused = []
    masks = np.random.default_rng(3).integers(1, 256, begins[-1])
    places = range(0, begins[-1], 7)
    for at in places:
        damaged = bytearray(data)
        damaged[at] ^= int(masks[at])
        path.write_bytes(damaged)
        try:
            assert read_journal(path) == last  # the byte is padding
        except soundstage.SessionFileError as error:
            refused.append(str(error))
    assert all(message.startswith(str(path)) for message in refused)
    assert len(refused) > len(places) / 2


def test_damaged_last_entry_leaves_the_one_before(written):
    path, begins = written
    data = path.read_bytes()
    for at in range(begins[-1], len(data), 7):
        damaged = bytearray(data)
        damaged[at] ^= 0xFF
        path.write_bytes(damaged)
        assert read_journal(path).chunks in (CHUNKS - 1, CHUNKS)


def test_missing_entry_is_refused(written):
    path, begins = written
    data = path.read_bytes()
    path.write_bytes(data[: begins[1]] + data[begins[2] :])
    with pytest.raises(soundstage.SessionFileError, match=r"damaged \(after chunk 1\)"):
        read_journal(path)
    header = data[: 2 * begins[0] - begins[1]]
    path.write_bytes(header)
    with pytest.raises(soundstage.SessionFileError, match=r"damaged \(the first entry\)"):
        read_journal(path)


def test_journal_is_an_arrow_stream(written):
    path, _ = written
    table = pa.ipc.open_stream(path.read_bytes()).read_all()
    assert table.column_names == ["chunk", "samples", "state", "controls", "crc32"]
    assert table.column("chunk").to_pylist() == list(range(CHUNKS + 1))
    assert table.column("samples").to_pylist() == [0, 10, 20, 30, 40]
    assert table.schema.metadata[b"kind"] == KIND


@pytest.mark.parametrize("entries", [0, 1, 3])
def test_journal_beyond_its_limit_keeps_only_the_last_entry(counter, tmp_path, entries):
    path = tmp_path / "set.journal"
    session, weights = Session(counter), counter.weights()
    with session.journal(path):
        least = path.stat().st_size
    limit = least + entries * 1000
    state, rows = session.state, session.controls
    lengths = []
    with open_journal(path, counter.graph, weights, state, rows, limit) as journal:
        for count, chunk in enumerate(islice(session, 20), start=1):
            journal.write(chunk, 10)
            lengths.append(path.stat().st_size)
            content = read_journal(path)
            assert (content.chunks, content.samples) == (count, 10 * count)
    assert max(lengths) <= max(limit, least)
    assert lengths.count(least) >= 20 // (entries + 1)
    assert numbers(Session.resume(counter, read_saved(path)), 3) == numbers(session, 3)
    assert [entry.name for entry in tmp_path.iterdir()] == ["set.journal"]


def test_commit_without_room_leaves_earlier_entries(counter, tmp_path):
    resource = pytest.importorskip("resource", reason="this system has no limit to set")
    path = tmp_path / "set.journal"
    session = Session(counter)
    with session.journal(path) as journal:
        journal.write(next(session))
        before = path.read_bytes()
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 100, hard))
        chunk = next(session)
        try:
            with pytest.raises(soundstage.OutputError, match=r"set\.journal: cannot be written"):
                journal.write(chunk)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert path.read_bytes() == before
        journal.write(chunk)
    assert read_journal(path).chunks == 2


def test_commands_write_resume_inspect_and_branch_a_journal(tmp_path):
    path = tmp_path / "set.journal"

    def generate(name, *arguments):
        done = run("generate", *arguments, "--output", tmp_path / name)
        assert done.code == 0, done.stderr
        return soundfile.read(tmp_path / name, dtype="int16")[0]

    fresh = ("warm pads", "--seed", 7, "--preset", "toy")
    whole = generate("whole.wav", *fresh, "--duration", 8)
    first = generate("first.wav", *fresh, "--duration", 3.5, "--journal", path)
    # Like a saved session, the journal ends with a whole chunk; it also has the samples written.
    facts = json.loads(run("inspect", path, "--json").stdout)
    assert (facts["committed"], facts["samples"]) == (2, len(first)) == (2, 168_000)
    assert facts["streams"][0]["seeds"] == [7]
    assert "written     168000 samples, in 2 chunks" in run("inspect", path).stdout
    rest = generate("rest.wav", "--resume", path, "--duration", 4, "--journal", path)
    assert np.array_equal(first, whole[:168_000])
    assert np.array_equal(rest, whole[4 * 48_000 :])
    assert read_journal(path).samples == 168_000 + 4 * 48_000
    branch = ("branch", path, "--prompt", "jazz", "--duration", 2, "--output-dir", tmp_path / "b")
    assert run(*branch).code == 0
    alone = generate("alone.wav", "jazz", "--resume", path, "--duration", 2)
    assert np.array_equal(soundfile.read(tmp_path / "b" / "01-jazz.wav", dtype="int16")[0], alone)


def test_bad_journal_options_are_refused_before_the_first_chunk(tmp_path, written):
    path, _ = written
    output = ("--preset", "toy", "--output", tmp_path / "out.wav")
    record = ("--duration", 2, "--record", tmp_path / "run.arrow")
    assert run("generate", "pads", "--preset", "toy", "-o", tmp_path / "a.wav", *record).code == 0
    for arguments, code, reason in [
        (("--journal", path), 6, "holds another session, 4 chunks long: continue it with --resume"),
        (("--journal", tmp_path / "run.arrow"), 6, "no journal of this version"),
        (("--journal", tmp_path / "x", "--save", tmp_path / "x"), 2, "--save and --journal both"),
        (("--journal", tmp_path / "nowhere" / "x"), 6, "there is no folder"),
        (("--resume", tmp_path / "run.arrow"), 3, "is no session, and no journal of this version"),
    ]:
        refused = run("generate", "pads", *output, *arguments)
        assert refused.code == code, refused.stderr
        assert re.search(reason, told(refused.stderr))
    assert not (tmp_path / "out.wav").exists()
