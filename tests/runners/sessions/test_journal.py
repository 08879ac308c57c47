"""The journal of a session: what was committed is there after anything, and nothing else is."""

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
PLAYED = {"prompts": ["warm pads"], "seed": 7}


@pytest.fixture(scope="module")
def toy():
    with soundstage.open(preset="toy") as session:
        yield session.runner


@pytest.fixture(scope="module")
def counter():
    """A runner whose state is one number, so that a whole journal is a few kilobytes."""
    with LocalRunner(graph(LOOP_OF_TWO, {"n": "there.sum"}, {"step": 2})) as runner:
        yield runner


@pytest.fixture
def written(counter, tmp_path):
    """A journal of some chunks, and where each entry begins."""
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


def test_a_session_goes_on_behind_the_last_chunk_committed_to_the_byte(toy, tmp_path):
    path = tmp_path / "set.journal"
    session = Session(toy, [PLAYED, {"prompts": ["acid"], "seed": 8}], lookahead=2)
    with session.journal(path) as journal:
        for _ in range(3):
            journal.write(next(session))
            # It can be read at any time, as it is after a kill.
            assert read_saved(path).restore(toy.graph, toy.weights())[0].chunks == (
                session.state.chunks
            )
        next(session)  # made, but never handed out
        assert read_journal(path).samples == 3 * 96_000
    plain = Session(toy, [PLAYED, {"prompts": ["acid"], "seed": 8}])
    audio(plain, 3)
    with soundstage.resume(path) as resumed:
        assert audio(resumed, 2) == audio(plain, 2)


def test_before_its_first_chunk_it_holds_the_beginning(toy, tmp_path):
    session = Session(toy, [PLAYED])
    with session.journal(tmp_path / "set.journal"):
        pass
    with soundstage.resume(tmp_path / "set.journal") as resumed:
        assert audio(resumed, 1) == audio(session, 1)


def test_a_steer_counts_from_the_first_chunk_that_heard_it(toy, tmp_path):
    path = tmp_path / "set.journal"
    session = Session(toy, [PLAYED])
    with session.journal(path) as journal:
        for seed in (1, 2):
            journal.write(next(session))
            session.steer(seed=seed)
    with soundstage.resume(path) as resumed:
        assert resumed.controls[0]["seed"] == 1


def test_a_resumed_session_goes_on_in_the_same_journal_and_keeps_its_counts(counter, tmp_path):
    path = tmp_path / "set.journal"
    expected = numbers(Session(counter), 9)
    made = []
    for run_of in range(3):
        session = Session.resume(counter, read_saved(path)) if run_of else Session(counter)
        with session.journal(path) as journal:
            for chunk in islice(session, 3):
                made.append(int(chunk.outputs["n"][0]))
                journal.write(chunk, 100)
    assert made == expected
    assert (read_journal(path).chunks, read_journal(path).samples) == (9, 900)


def test_another_file_is_refused_and_left_as_it_is(counter, toy, written):
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


def test_it_is_refused_by_another_graph_and_by_other_weights(toy, tmp_path):
    path = tmp_path / "set.journal"
    with Session(toy, [PLAYED]).journal(path):
        pass
    saved = read_saved(path)
    with soundstage.open(preset="toy", settings=["embed.params.weights=random:1"]) as other:
        with pytest.raises(soundstage.SessionFileError, match="another graph"):
            Session.resume(other.runner, saved)
    weights = {stage: {"digest": "0" * 64, "note": "other"} for stage in saved.weights}
    with pytest.raises(soundstage.SessionFileError, match="had other weights"):
        saved.restore(toy.graph, weights)


def test_wherever_its_last_entry_is_torn_it_goes_on_from_the_one_before(counter, written):
    path, begins = written
    data = path.read_bytes()
    for end in range(begins[-1], len(data)):
        path.write_bytes(data[:end])
        found = read_journal(path)
        assert (found.chunks, found.samples) == (CHUNKS - 1, 10 * (CHUNKS - 1)), end
    resumed = Session.resume(counter, found.session)
    assert numbers(resumed, 2) == numbers(Session(counter), CHUNKS + 1)[-2:]


def test_a_torn_end_is_gone_once_it_is_gone_on_with(counter, written):
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


def test_damage_before_the_last_entry_is_refused_or_changes_nothing(written):
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
            assert read_journal(path) == last  # Arrow pads, and nobody reads that
        except soundstage.SessionFileError as error:
            refused.append(str(error))
    assert all(said.startswith(str(path)) for said in refused)
    assert len(refused) > len(places) / 2


def test_damage_of_the_last_entry_leaves_the_one_before(written):
    path, begins = written
    data = path.read_bytes()
    for at in range(begins[-1], len(data), 7):
        damaged = bytearray(data)
        damaged[at] ^= 0xFF
        path.write_bytes(damaged)
        assert read_journal(path).chunks in (CHUNKS - 1, CHUNKS)


def test_an_entry_that_is_missing_is_refused(written):
    path, begins = written
    data = path.read_bytes()
    path.write_bytes(data[: begins[1]] + data[begins[2] :])
    with pytest.raises(soundstage.SessionFileError, match=r"damaged \(behind chunk 1\)"):
        read_journal(path)
    header = data[: 2 * begins[0] - begins[1]]
    path.write_bytes(header)
    with pytest.raises(soundstage.SessionFileError, match=r"damaged \(the first entry\)"):
        read_journal(path)


def test_any_arrow_reader_opens_it(written):
    path, _ = written
    table = pa.ipc.open_stream(path.read_bytes()).read_all()
    assert table.column_names == ["chunk", "samples", "state", "controls", "crc32"]
    assert table.column("chunk").to_pylist() == list(range(CHUNKS + 1))
    assert table.column("samples").to_pylist() == [0, 10, 20, 30, 40]
    assert table.schema.metadata[b"kind"] == KIND


@pytest.mark.parametrize("entries", [0, 1, 3])
def test_it_does_not_grow_without_bound_and_goes_on_all_the_same(counter, tmp_path, entries):
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
            found = read_journal(path)
            assert (found.chunks, found.samples) == (count, 10 * count)
    assert max(lengths) <= max(limit, least)
    assert lengths.count(least) >= 20 // (entries + 1)
    assert numbers(Session.resume(counter, read_saved(path)), 3) == numbers(session, 3)
    assert [entry.name for entry in tmp_path.iterdir()] == ["set.journal"]


def test_a_commit_for_which_there_is_no_room_leaves_those_before(counter, tmp_path):
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


def test_the_command_line_keeps_resumes_inspects_and_branches_one(tmp_path):
    path = tmp_path / "set.journal"

    def generate(name, *arguments):
        done = run("generate", *arguments, "--output", tmp_path / name)
        assert done.code == 0, done.stderr
        return soundfile.read(tmp_path / name, dtype="int16")[0]

    fresh = ("warm pads", "--seed", 7, "--preset", "toy")
    whole = generate("whole.wav", *fresh, "--duration", 8)
    first = generate("first.wav", *fresh, "--duration", 3.5, "--journal", path)
    # As --save, it goes on where the last chunk ends; what was written of that is told.
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


def test_what_cannot_work_is_refused_before_anything_is_made(tmp_path, written):
    path, _ = written
    output = ("--preset", "toy", "--output", tmp_path / "out.wav")
    record = ("--duration", 2, "--record", tmp_path / "run.arrow")
    assert run("generate", "pads", "--preset", "toy", "-o", tmp_path / "a.wav", *record).code == 0
    for arguments, code, said in [
        (("--journal", path), 6, "holds another session, 4 chunks long: go on with --resume"),
        (("--journal", tmp_path / "run.arrow"), 6, "no journal of this version"),
        (("--journal", tmp_path / "x", "--save", tmp_path / "x"), 2, "--save and --journal both"),
        (("--journal", tmp_path / "nowhere" / "x"), 6, "there is no folder"),
        (("--resume", tmp_path / "run.arrow"), 3, "is no session, and no journal of this version"),
    ]:
        refused = run("generate", "pads", *output, *arguments)
        assert refused.code == code, refused.stderr
        assert re.search(said, told(refused.stderr))
    assert not (tmp_path / "out.wav").exists()
