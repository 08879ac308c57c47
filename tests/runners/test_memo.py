"""Memos change no byte: kept or rebuilt, of some rows, after a branch, in a resumed session."""

import json
from itertools import islice

import numpy as np
import pytest
from memo_graphs import tables, window

from soundstage.graph.check import check
from soundstage.graph.spec import parse
from soundstage.graph.state import initial, join
from soundstage.runners.local import LocalRunner
from soundstage.runners.runner import StageFailed, Tick
from soundstage.runners.sessions.files import read_session
from soundstage.runners.sessions.session import Session

ROWS = [{"step": 1}, {"step": 10}, {"step": 100}]


@pytest.fixture
def log(tmp_path):
    return tmp_path / "log"


@pytest.fixture
def runner(log):
    with LocalRunner(window(log=str(log))) as runner:
        yield runner


def rebuilt(log):
    """Returns how often `rebuild` was called."""
    return len(log.read_text().splitlines()) if log.exists() else 0


def sums(session, chunks):
    return [chunk.outputs["sum"].tolist() for chunk in islice(session, chunks)]


def test_memo_is_rebuilt_once_and_then_kept(runner, log):
    assert sums(Session(runner), 6) == [[1], [2], [3], [4], [4], [4]]
    assert rebuilt(log) == 1


@pytest.mark.parametrize("lookahead", [0, 3])
def test_steering_changes_no_sum(runner, lookahead):
    session = Session(runner, lookahead=lookahead)
    assert sums(session, 2) == [[1], [2]]
    session.steer(step=5)
    assert sums(session, 4) == [[7], [12], [16], [20]]


def test_steering_that_keeps_chunks_made_ahead_rebuilds_nothing(runner, log):
    session = Session(runner, lookahead=1, keep_ahead=True)
    assert sums(session, 2) == [[1], [2]]
    session.steer(step=5)
    assert sums(session, 4) == [[3], [8], [12], [16]]  # a chunk later than without
    assert session.delayed_chunks == 1
    assert rebuilt(log) == 1


def test_sessions_in_turn_keep_their_memos(runner, log):
    sessions = [Session(runner, [row]) for row in ROWS]
    for tick in range(1, 4):
        assert [sums(session, 1) for session in sessions] == [
            [[tick]],
            [[10 * tick]],
            [[100 * tick]],
        ]
    assert rebuilt(log) == 3


def test_branch_and_original_go_on_from_the_same_state(runner, log):
    session = Session(runner)
    sums(session, 3)
    branch = session.branch(step=7)
    assert sums(branch, 3) == [[10], [16], [22]]
    assert sums(session, 3) == [[4], [4], [4]]
    assert rebuilt(log) == 2  # of the two, one found the memo


def test_resumed_session_gives_the_same_bytes(runner, log, tmp_path):
    session = Session(runner, ROWS)
    sums(session, 3)
    session.save(tmp_path / "s.session")
    expected = sums(session, 3)
    with LocalRunner(runner.graph) as other:
        saved = read_session(tmp_path / "s.session")
        assert sums(Session.resume(other, saved), 3) == expected
    assert rebuilt(log) == 2


def test_rows_of_a_tick_hit_or_miss_by_themselves(runner, log):
    """Rows that come from two other ticks, one that is new, and one whose memo is given away."""
    two, one = Session(runner, ROWS[:2]), Session(runner, ROWS[2:])
    sums(two, 3), sums(one, 2)
    old = one.state
    sums(one, 1)
    state = join([two.state.pick([1]), initial(runner.graph, ["new"]), one.state, old])
    steps = tuple({"step": np.int64(step)} for step in (10, 5, 100, 100))
    tick = Tick(state.streams, state.chunks, steps)
    before = rebuilt(log)
    (chunk,) = runner.stream([tick], state)
    assert chunk.outputs["sum"].tolist() == [40, 5, 400, 300]
    assert rebuilt(log) == before + 1
    # The rows that are found get the state of one that is missing: rebuilding costs no more.
    (called,) = [json.loads(line) for line in log.read_text().splitlines()[before:]]
    assert called == [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 100, 100]]
    (chunk,) = runner.stream([tick], chunk.state.pick([3, 2, 1, 0]))
    assert chunk.outputs["sum"].tolist() == [310, 305, 105, 130]


def test_memos_are_bounded(runner, log):
    sessions = [Session(runner, [{"step": step}]) for step in range(20)]
    for _ in range(3):
        assert [sums(session, 1)[0][0] for session in sessions]
    memos = runner.hosts["window"][0]._memos
    assert len(memos._kept) <= 4
    assert sums(sessions[7], 2) == [[4 * 7], [4 * 7]]
    assert rebuilt(log) > 40


def test_memo_of_a_failed_call_is_rebuilt(log):
    with LocalRunner(window(log=str(log))) as runner:
        session = Session(runner)
        sums(session, 2)
        stage = runner.hosts["window"][0].stage
        stage.log = str(log.parent)  # a folder: writing fails
        branch = session.branch(step=3)
        sums(session, 1)
        with pytest.raises(StageFailed, match="'window' failed at chunk 2: IsADirectoryError"):
            next(branch)
        stage.log = ""
        assert sums(branch, 2) == [[5], [8]]


@pytest.mark.parametrize("use", ["DeviceWindow", "DeviceState"])
def test_memo_on_a_device_is_overwritten_in_place(use):
    with LocalRunner(window(use)) as runner:
        session = Session(runner, [{"step": 1.0}, {"step": 2.0}])
        assert sums(session, 3) == [[1, 4], [2, 8], [3, 12]]
        branch = session.branch(step=3.0)
        assert sums(session, 2) == [[4, 16], [4, 16]]
        assert sums(branch, 2) == [[12, 21], [20, 26]]
        state = branch.state.pick([1, 0])
        tick = Tick(state.streams, state.chunks, ({"step": np.float32(1)},) * 2)
        (chunk,) = runner.stream([tick], state)
        assert chunk.outputs["sum"].tolist() == [4 + 9 + 9 + 1, 1 + 9 + 9 + 1]


@pytest.mark.parametrize(
    ("use", "reason"),
    [
        ("ReturnsNoMemo", "it returned dict, not a tuple of its outputs and its memo"),
        ("ReturnsAnArray", "its memo is ndarray, not a mapping of arrays by name"),
        ("ReturnsFewerRows", r"its memo's 'sum' is of shape \[0\], not an array with 1 rows"),
    ],
)
def test_stage_that_returns_no_memo_fails(use, reason):
    with LocalRunner(window(use)) as runner:
        with pytest.raises(StageFailed, match=f"'window' failed at chunk 0: {reason}"):
            next(Session(runner))


def problems(*arguments):
    return [str(problem) for problem in check(parse(tables(*arguments)), ["memo_stages"])[1]]


def test_check_warns_of_a_memo_whose_state_is_not_fed_back():
    assert problems() == []
    graph, found = check(parse(tables(feedback="window.past")), ["memo_stages"])
    assert graph is None
    assert "a cycle without delay" in str(found[0])
    source = {"from": "other.past", "delay": 1, "init": 0}
    spec = tables(feedback=source)
    spec["stage"]["other"] = spec["stage"]["window"]
    warnings = check(parse(spec), ["memo_stages"])[1]
    assert str(warnings[-1]) == (
        "warning: stage.window.past: its memo is rebuilt in every tick; write past = "
        '{ from = "window.past", delay = 1, init = ... }'
    )


@pytest.mark.parametrize(
    ("use", "problem"),
    [
        ("NamesNoState", "names 'a', which is no input with an output of the same port"),
        ("NamesNoTuple", "memo is 'past', not a tuple of its inputs"),
        (
            "CannotRebuild",
            "asked for its memo with its inputs: missing a required argument: 'last'",
        ),
    ],
)
def test_check_refuses_a_memo_that_is_not_declared_as_it_must_be(use, problem):
    assert any(problem in text for text in problems(use))
