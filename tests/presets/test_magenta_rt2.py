"""Presets of Magenta RealTime 2: any length of a tick, notes, saved sessions, clips."""

import numpy as np
import pytest
from command_line import run

import soundstage
from soundstage.graph.control import ControlError
from soundstage.graph.pipeline_file import read_tables
from soundstage.graph.port import array_bytes
from soundstage.graph.state import initial, join
from soundstage.presets.preset import preset_path
from soundstage.runners.fleet.stream import MOST_TOKEN_BYTES
from soundstage.runners.sessions.session import Session

TICKS, CHANGE, SAVED = 20, 10, 15


def chord(*pitches):
    """A row of notes: these sound, all others are off."""
    notes = np.zeros((1, 128), np.int32)
    notes[0, list(pitches)] = 3
    return notes


def opened(**more):
    return soundstage.open(preset="mrt2-tiny", prompts=["bells"], seed=5, **more)


def tokens(chunks):
    return np.concatenate([chunk.outputs["tokens"] for chunk in chunks], axis=1)


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """A session of ticks of one frame, whose notes change halfway; and where it was saved.

    Its journal lies beside the saved session.
    """
    path = tmp_path_factory.mktemp("mrt2") / "half.session"
    chunks, refused = [], []
    with opened() as session, session.journal(path.with_suffix(".journal")) as journal:
        for tick in range(TICKS):
            if tick == CHANGE:
                session.steer(notes=chord(60, 64, 67), drums=1)
            if tick == SAVED:
                session.save(path)
                refused = [error for error in map(session_refusal(session), BAD) if error]
            chunks.append(next(session))
            if tick <= SAVED:
                journal.write(chunks[-1])
    return chunks, path, refused


BAD = (
    {"notes_strength": float("nan")},
    {"style_strength": 7.5},
    {"notes": np.full((1, 128), 4)},
    {"notes": np.zeros((1, 129), np.int32)},
    {"drums": 2},
)


def session_refusal(session):
    def refusal(controls):
        try:
            session.steer(**controls)
        except ControlError as error:
            return str(error)
        return ""

    return refusal


def test_bad_controls_are_refused_and_the_music_plays_on(played):
    chunks, _, refused = played
    assert len(refused) == len(BAD)
    assert "notes_strength: nan is not a finite number" in refused[0]
    assert "outside the range [-1, 7]" in refused[1]
    assert len(chunks) == TICKS


def bytes_of(chunks, row=0):
    """Outputs and states of a row of some chunks."""
    values = [[*chunk.outputs.items(), *chunk.state.values.items()] for chunk in chunks]
    return [{name: value[row].tobytes() for name, value in chunk} for chunk in values]


def test_resumed_session_gives_the_same_bytes(played):
    chunks, path, _ = played
    with soundstage.resume(path) as session:
        rest = [next(session) for _ in range(TICKS - SAVED)]
    assert bytes_of(rest) == bytes_of(chunks[SAVED:])


def test_journal_of_a_killed_run_goes_on_after_its_last_whole_entry(played):
    chunks, path, _ = played
    journal = path.with_suffix(".journal")
    journal.write_bytes(journal.read_bytes()[:-1000])  # killed while it wrote the last one
    with soundstage.resume(journal) as session:
        assert session.state.chunks == (SAVED,)
        rest = [next(session) for _ in range(TICKS - SAVED)]
    assert bytes_of(rest) == bytes_of(chunks[SAVED:])


def test_branches_made_together_have_the_bytes_of_each_alone(played):
    """The batch of `soundstage branch`: rows that differ in their controls go on from one state."""
    chunks, path, _ = played
    with soundstage.resume(path) as session:
        branch = session.branch(seed=9, notes=[], drums=0)
        alone = [next(branch) for _ in range(3)]
        both = Session(
            session.runner,
            [*session.controls, *session.branch(seed=9, notes=[], drums=0).controls],
            state=join([session.state, session.state.rename(["1"])]),
        )
        together = [next(both) for _ in range(3)]
    assert bytes_of(together, 0) == bytes_of(chunks[SAVED : SAVED + 3])
    assert bytes_of(together, 1) == bytes_of(alone)


def test_frames_do_not_depend_on_the_length_of_a_tick(played):
    with opened(settings=[f"format.chunk_s={0.04 * CHANGE}"]) as session:
        first = next(session)
        session.steer(notes=chord(60, 64, 67), drums=1)
        both = [first, next(session)]
    np.testing.assert_array_equal(tokens(both), tokens(played[0]))
    assert bytes_of(both)[1]["step.conditions"] == bytes_of(played[0])[-1]["step.conditions"]


def test_notes_change_the_frames_after_them_alone(played):
    with opened() as session:
        free = [next(session) for _ in range(TICKS)]
    same = (tokens(free) == tokens(played[0])).all(axis=(0, 2))
    assert same[:CHANGE].all()
    assert same[CHANGE:].sum() <= 2


def test_first_frame_of_audio_is_silent_and_the_gain_halves_the_rest(played):
    audio = np.concatenate([chunk.outputs["audio"] for chunk in played[0]], axis=1)
    assert audio.shape == (1, TICKS * 1920, 2)
    assert not audio[:, :1920].any()
    assert audio[:, 1920:].any()


def test_clip_becomes_the_past_of_the_music(played):
    noise = np.random.default_rng(0).normal(0, 0.1, (5 * 1920, 2)).astype(np.float32)
    with opened(continue_from=noise) as session:
        context = session.state.values["step.context"][0]
        continued = next(session)
    assert (context[:-5] == -1).all()
    assert (context[-5:] >= 0).all()
    assert (tokens([continued]) != tokens(played[0][:1])).any()


def test_presets_differ_in_sizes_and_weights_alone():
    tables = [read_tables(preset_path(f"mrt2-{size}")) for size in ("tiny", "small", "base")]
    wiring = [{name: stage["inputs"] for name, stage in table["stage"].items()} for table in tables]
    assert wiring[0] == wiring[1] == wiring[2]
    assert tables[0]["inputs"] == tables[1]["inputs"] == tables[2]["inputs"]


@pytest.mark.parametrize(("size", "most"), [("tiny", 10_000), ("small", 61_000), ("base", 62_000)])
def test_state_is_small_enough_to_be_sent_with_every_chunk(size, most):
    state = array_bytes(initial(soundstage.load(f"mrt2-{size}"), ["0"]).values)
    assert state < most < MOST_TOKEN_BYTES / 2


@pytest.mark.parametrize("size", ["small", "base"])
def test_published_sizes_check_and_name_their_download(size):
    assert run("check", f"mrt2-{size}").code == 0
    done = run("generate", "--preset", f"mrt2-{size}", "--output", "x.wav")
    assert done.code != 0
    assert f"soundstage models download mrt2-{size}" in done.stderr
