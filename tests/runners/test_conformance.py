"""The contract of `Runner`, tested on every kind: equal ticks and state give equal bytes."""

import hashlib
from functools import cache
from itertools import islice

import numpy as np
import pytest
from running_graphs import LOOP_OF_TWO, SELF_LOOP, TWO_FEED_ONE, graph

import soundstage
from soundstage.runners.local import LocalRunner
from soundstage.runners.runner import StageFailed
from soundstage.runners.sessions.session import Session

KINDS = ["local", pytest.param("ray", marks=pytest.mark.ray)]
# A network in a process of its own takes seconds to start: Ray runs the pipeline without networks.
each_pipeline = pytest.mark.parametrize(
    ("open_runner", "preset"),
    [("local", "toy"), ("local", "mrt2-tiny"), pytest.param("ray", "toy", marks=pytest.mark.ray)],
    indirect=["open_runner"],
    scope="module",
)
ROWS = [{"prompts": [f"style {row}"], "seed": row} for row in range(8)]


@pytest.fixture(scope="module", params=KINDS)
def open_runner(request):
    """Opens graphs on one kind of runner, each once, and closes the runners at the end."""
    if request.param == "ray":
        request.getfixturevalue("ray_cluster")
        from soundstage.runners.ray.ray_runner import RayRunner, RaySettings

        def make(graph):
            return RayRunner(graph, RaySettings(stage_timeout_s=60))

    else:
        make = LocalRunner
    opened = {}

    def open_once(graph):
        # The digest excludes placements, but these tests use several.
        key = (graph.digest, str(graph.spec.placement))
        if key not in opened:
            opened[key] = make(graph)
        return opened[key]

    yield open_once
    for runner in opened.values():
        runner.close()


@pytest.fixture(scope="module")
def toy(open_runner):
    return open_runner(soundstage.load("toy"))


@cache
def expected(preset, rows):
    """Returns the digest of 8 chunks on the in-process runner."""
    with LocalRunner(soundstage.load(preset)) as runner:
        return digest(play(runner, ROWS[:rows], 8))


def play(runner, rows, chunks, lookahead=0):
    return list(islice(Session(runner, rows, lookahead=lookahead), chunks))


def digest(chunks):
    sha = hashlib.sha256()
    for chunk in chunks:
        for name in sorted(chunk.outputs):
            sha.update(np.ascontiguousarray(chunk.outputs[name]).tobytes())
        for name in sorted(chunk.state.values):
            sha.update(np.ascontiguousarray(chunk.state.values[name]).tobytes())
    return sha.hexdigest()


def numbers(runner, chunks, lookahead=0, rows=({},)):
    played = play(runner, rows, chunks, lookahead)
    return [{name: value.tolist() for name, value in chunk.outputs.items()} for chunk in played]


# ---- outputs


def test_two_stages_feed_one(open_runner):
    runner = open_runner(graph(TWO_FEED_ONE, {"n": "both.sum"}, {"step": 10}))
    assert numbers(runner, 3) == [{"n": [20]}, {"n": [21]}, {"n": [22]}]


@pytest.mark.parametrize("lookahead", [0, 1, 5])
def test_feedback_over_two_stages_is_the_same_with_any_lookahead(open_runner, lookahead):
    runner = open_runner(graph(LOOP_OF_TWO, {"n": "there.sum"}, {"step": 3}))
    past, expected = 5, []
    for _ in range(6):
        past = (10 * past + 3) % 1_000_003 + 3
        expected.append({"n": [past]})
    assert numbers(runner, 6, lookahead) == expected


def test_rows_have_their_own_controls(open_runner):
    runner = open_runner(graph(SELF_LOOP, {"n": "count.sum"}, {"step": 1}))
    rows = [{"step": step} for step in (1, 10, 100)]
    assert numbers(runner, 2, rows=rows) == [{"n": [1, 10, 100]}, {"n": [2, 20, 200]}]


@pytest.mark.parametrize("window", range(1, 7))
@each_pipeline
def test_window_changes_no_byte(open_runner, preset, window):
    runner = open_runner(soundstage.load(preset))
    for rows in (1, 8) if preset == "toy" else (1,):  # a network is compiled for each number
        assert digest(play(runner, ROWS[:rows], 8, lookahead=window - 1)) == expected(preset, rows)


@pytest.mark.parametrize("rows", [1, 3, 8])
def test_replicas_change_no_byte(open_runner, rows):
    settings = ["sample={ device = 'cpu', replicas = 2 }", "decode={ device='cpu', replicas = 3 }"]
    runner = open_runner(soundstage.load("toy", placements=settings))
    assert digest(play(runner, ROWS[:rows], 8, lookahead=2)) == expected("toy", rows)


@each_pipeline
def test_chunk_has_messages_seconds_and_spans_of_every_stage(open_runner, preset):
    graph = soundstage.load(preset)
    chunk = play(open_runner(graph), ROWS[:1], 1)[0]
    messages = dict(chunk.messages)
    assert set(messages) == {"in", *graph.nodes}
    assert set(chunk.seconds) == set(graph.nodes)
    assert {span.stage for span in chunk.spans} == set(graph.nodes)
    assert not chunk.audio.flags.writeable


# ---- sessions


@each_pipeline
def test_session_resumed_on_the_local_runner_gives_the_same_bytes(open_runner, preset, tmp_path):
    session = Session(open_runner(soundstage.load(preset)), ROWS[:1])
    play_on = [next(session) for _ in range(2)]
    session.save(tmp_path / "s.session")
    rest = digest(islice(session, 3))
    with soundstage.resume(tmp_path / "s.session") as resumed:
        assert digest(islice(resumed, 3)) == rest
    assert play_on[1].state.chunks == (2,)


@each_pipeline
def test_branch_does_not_change_the_original_session(open_runner, preset):
    runner = open_runner(soundstage.load(preset))
    session, untouched = Session(runner, ROWS[:1]), Session(runner, ROWS[:1])
    next(session), next(untouched)
    branch = session.branch(seed=99)
    branched = digest(islice(branch, 2))
    original = digest(islice(session, 2))
    assert original == digest(islice(untouched, 2))
    assert original != branched


# ---- errors


@pytest.mark.parametrize("lookahead", [0, 3])
def test_failed_stage_is_named_and_the_runner_stays_usable(open_runner, lookahead):
    stages = {
        "count": SELF_LOOP["count"],
        "trap": ("Trap", {"number": 3}, {"a": "count.sum"}),
    }
    runner = open_runner(graph(stages, {"n": "trap.number"}, {"step": 1}))
    session = Session(runner, [{}], lookahead=lookahead)
    assert [next(session).outputs["n"].tolist() for _ in range(2)] == [[1], [2]]
    for _ in range(2):  # the state is unchanged: the same chunk fails again
        with pytest.raises(StageFailed, match=r"'trap' failed at chunk 2: .*stepped on 3"):
            next(session)
    session.steer(step=5)
    assert next(session).outputs["n"].tolist() == [7]
    assert numbers(runner, 2, rows=[{"step": 4}]) == [{"n": [4]}, {"n": [8]}]


@pytest.mark.parametrize(
    ("use", "reason"),
    [("WrongShape", r"takes int64 \[1\], got int64 \[2, 1\]"), ("Meddler", "read-only")],
)
def test_stage_that_breaks_its_contract_fails(open_runner, use, reason):
    stages = {"bad": (use, {}, {"a": "in.step"})}
    runner = open_runner(graph(stages, {"n": "bad.number"}, {"step": 1}))
    with pytest.raises(StageFailed, match=f"'bad' failed at chunk 0: .*{reason}"):
        play(runner, [{}], 1)


def test_error_of_a_constructor_is_raised(open_runner):
    stages = {"bad": ("Unbuildable", {}, {"a": "in.step"})}
    with pytest.raises(ValueError, match="no such weights"):
        open_runner(graph(stages, {"n": "bad.number"}, {"step": 1}))


def test_one_stage_is_asked_alone(toy):
    session = Session(toy, [{"prompts": ["style 0"]}])
    vector = session.embed("style 1")
    assert vector.dtype == np.float32
    with LocalRunner(soundstage.load("toy")) as local:
        np.testing.assert_array_equal(Session(local, [{}]).embed("style 1"), vector)
