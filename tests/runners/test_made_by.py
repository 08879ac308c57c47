"""Files keep what made them, and say so where other versions open them."""

import json
import warnings
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from command_line import run
from running_graphs import LOOP_OF_TWO, graph

import soundstage
from soundstage.runners.local import LocalRunner
from soundstage.runners.made_by import LIBRARIES, MadeBy, MadeElsewhere
from soundstage.runners.sessions.files import read_session
from soundstage.runners.sessions.journal_file import read_journal, read_saved
from soundstage.runners.sessions.session import Session
from soundstage.runners.traces.trace import open_trace, read_trace

EARLIER = Path(__file__).parents[1] / "golden" / "earlier_files"
SHORT = ["format.chunk_s=0.08", "format.context_s=0.08"]


def written(folder, session):
    """A session, a journal and a trace of two chunks."""
    paths = [folder / name for name in ("a.session", "a.journal", "a.arrow")]
    weights, state = session.runner.weights(), session.state
    with (
        session.journal(paths[1]) as journal,
        open_trace(paths[2], session.graph, weights, state, "1") as trace,
    ):
        for chunk in islice(session, 2):
            journal.write(chunk)
            trace.write(chunk)
    session.save(paths[0])
    return paths


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """Files of the toy, as another version of JAX makes them."""
    facts = {**MadeBy.here().facts, "jax": "0.0.1", "processor": "an abacus"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MadeBy, "here", lambda: MadeBy(facts))
        with soundstage.open("toy", settings=SHORT, prompts=["pads"], seed=7) as session:
            return written(tmp_path_factory.mktemp("elsewhere"), session)


def test_files_keep_versions_and_processor(tmp_path):
    with LocalRunner(graph(LOOP_OF_TWO, {"n": "there.sum"}, {"step": 2})) as runner:
        saved, journal, trace = written(tmp_path, Session(runner))
    facts = MadeBy.here().facts
    assert set(facts) == {"soundstage", "Python", *LIBRARIES, "processor"}
    assert all(facts.values())
    assert read_session(saved).made_by.facts == facts
    assert read_journal(journal).session.made_by.facts == facts
    assert read_trace(trace).made_by.facts == facts
    assert MadeBy.here().difference() == ""


@pytest.mark.parametrize("number", [0, 1], ids=["session", "journal"])
def test_session_of_another_version_is_resumed_with_one_warning(elsewhere, number):
    with pytest.warns(MadeElsewhere, match=r"made with jax 0\.0\.1, processor an abacus; ") as told:
        session = soundstage.resume(elsewhere[number])
    with session, soundstage.open("toy", settings=SHORT, prompts=["pads"], seed=7) as whole:
        expected = list(islice(whole, 3))[2]
        np.testing.assert_array_equal(next(session).audio, expected.audio)
    assert len(told) == 1
    assert "\n" not in str(told[0].message)


def test_command_says_in_one_line_that_another_version_made_the_session(elsewhere, tmp_path):
    output = ["--duration", 0.1, "--quiet", "-o", tmp_path / "out.wav"]
    done = run("generate", "--resume", elsewhere[0], *output)
    (line,) = done.stderr.splitlines()
    assert done.code == 0
    assert line.startswith(f"soundstage: warning: {elsewhere[0]}: made with jax 0.0.1")


@pytest.mark.parametrize("number", range(3))
def test_inspect_shows_what_made_a_file(elsewhere, number):
    done = run("inspect", elsewhere[number])
    assert "jax 0.0.1" in done.stdout
    assert "warning     made with jax 0.0.1" in done.stdout
    facts = json.loads(run("inspect", elsewhere[number], "--json").stdout)["made_by"]
    assert facts["processor"] == "an abacus"


def test_replay_and_diff_note_another_version(elsewhere):
    notes = soundstage.replay(elsewhere[2]).notes
    assert any("made with jax 0.0.1" in note for note in notes)


def test_files_that_do_not_say_what_made_them_open_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in ("toy.session", "toy.journal"):
            assert read_saved(EARLIER / name).made_by.facts == {}
            soundstage.resume(EARLIER / name).close()


@pytest.mark.parametrize("text", [b"[]", b'{"jax": 1}', b"{", b"\xff", b"[" * 9999])
def test_unreadable_record_is_refused(text):
    with pytest.raises(ValueError, match="what made it"):
        MadeBy.from_json(text)
