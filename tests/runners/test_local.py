"""The in-process runner, on graphs of `small_stages`."""

import threading
from concurrent.futures import CancelledError
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from running_graphs import LOOP_OF_TWO, SELF_LOOP, TWO_FEED_ONE, graph
from small_graphs import past

from soundstage.graph.state import State, initial
from soundstage.runners.local import LocalRunner
from soundstage.runners.runner import StageFailed, Tick
from soundstage.runners.sessions.session import Session


def play(graph, chunks, lookahead=0, rows=({},)):
    with LocalRunner(graph) as runner:
        session = Session(runner, rows, lookahead=lookahead)
        return [
            {name: value.tolist() for name, value in chunk.outputs.items()}
            for chunk in islice(session, chunks)
        ]


def test_two_stages_feed_one():
    played = play(graph(TWO_FEED_ONE, {"n": "both.sum"}, {"step": 10}), 3)
    assert played == [{"n": [20]}, {"n": [21]}, {"n": [22]}]


def test_stage_can_read_its_own_past_output():
    played = play(graph(SELF_LOOP, {"n": "count.sum"}, {"step": 3}), 4)
    assert [chunk["n"] for chunk in played] == [[3], [6], [9], [12]]


@pytest.mark.parametrize("lookahead", [0, 1, 5])
def test_feedback_over_two_stages_is_the_same_with_any_lookahead(lookahead):
    played = play(graph(LOOP_OF_TWO, {"n": "there.sum"}, {"step": 2}), 6, lookahead)
    expected, there = [], 5
    for _ in range(6):
        there = (10 * there + 2) % 1_000_003 + 2
        expected.append([there])
    assert [chunk["n"] for chunk in played] == expected


def test_rows_have_their_own_controls():
    played = play(graph(SELF_LOOP, {"n": "count.sum"}, {"step": 1}), 3, rows=[{}, {"step": 100}])
    assert [chunk["n"] for chunk in played] == [[1, 100], [2, 200], [3, 300]]


def test_lookahead_overlaps_stages_of_neighbouring_ticks(tmp_path):
    """Of two equally slow stages, the second computes tick n while the first computes n + 1."""
    logs = {name: str(tmp_path / name) for name in ("first", "second")}
    stages = {
        "index": ("Identify", {}, {"chunk": "clock.chunk"}),
        "first": ("Slow", {"log": logs["first"]}, {"a": "index.number"}),
        "second": ("Slow", {"log": logs["second"]}, {"a": "first.number"}),
    }
    play(graph(stages, {"n": "second.number"}), 4, lookahead=1)
    spans = {
        name: [tuple(map(float, line.split()[1:])) for line in Path(log).read_text().splitlines()]
        for name, log in logs.items()
    }
    for tick in range(3):
        assert spans["first"][tick + 1][0] < spans["second"][tick][1]


def test_lookahead_is_bounded():
    pulled = []
    with LocalRunner(graph(SELF_LOOP, {"n": "count.sum"}, {"step": 1})) as runner:
        session = Session(runner)

        def ticks():
            for tick in session._ticks():
                pulled.append(tick.chunks[0])
                yield tick

        stream = runner.stream(ticks(), lookahead=2)
        for chunk in range(4):
            next(stream)
            assert pulled == list(range(chunk + 3))
        stream.close()


def test_output_of_unchanged_inputs_is_reused(tmp_path):
    log = tmp_path / "log"
    stages = {"measure": ("Measure", {"log": str(log)}, {"notes": "in.notes"})}
    with LocalRunner(graph(stages, {"n": "measure.length"}, {"notes": ["ab"]})) as runner:
        session = Session(runner)
        assert [chunk.outputs["n"].tolist() for chunk in islice(session, 5)] == [[2]] * 5
        assert log.read_text().count("call") == 1
        session.steer(notes=["ab", "cde"])
        chunk = next(session)
        assert chunk.outputs["n"].tolist() == [5]
        assert chunk.seconds["measure"] > 0
        assert next(session).seconds["measure"] == 0.0
        assert log.read_text().count("call") == 2


TRAP = {
    "index": ("Identify", {}, {"chunk": "clock.chunk"}),
    "trap": ("Trap", {}, {"a": "index.number"}),
    "after": ("Add", {}, {"a": "trap.number", "b": past("after.sum")}),
}


@pytest.mark.parametrize("lookahead", [0, 3])
def test_failed_stage_is_named_with_its_chunk(lookahead):
    with LocalRunner(graph(TRAP, {"n": "after.sum"})) as runner:
        session = Session(runner, lookahead=lookahead)
        assert [chunk.outputs["n"].tolist() for chunk in islice(session, 3)] == [[0], [1], [3]]
        with pytest.raises(StageFailed, match="'trap' failed at chunk 3: RuntimeError: stepped on"):
            next(session)
        assert session.state.chunks == (3,)


def test_failure_does_not_affect_other_sessions():
    with LocalRunner(graph(TRAP, {"n": "after.sum"})) as runner:
        doomed, other = Session(runner), Session(runner)
        next(other)
        with pytest.raises(StageFailed):
            list(islice(doomed, 5))
        assert [chunk.outputs["n"].tolist() for chunk in islice(other, 2)] == [[1], [3]]


@pytest.mark.parametrize(
    ("use", "error"),
    [("WrongShape", r"int64 \[1\], got int64 \[2, 1\]"), ("Meddler", "read-only")],
)
def test_stage_that_breaks_its_contract_fails(use, error):
    stages = {
        "index": ("Identify", {}, {"chunk": "clock.chunk"}),
        "bad": (use, {}, {"a": "index.number"}),
    }
    with LocalRunner(graph(stages, {"n": "bad.number"})) as runner:
        with pytest.raises(StageFailed, match=f"'bad' failed at chunk 0: .*{error}"):
            next(Session(runner))


def test_feedback_reaches_a_stage_read_only():
    stages = {"bad": ("Meddler", {}, {"a": past("bad.number")})}
    with LocalRunner(graph(stages, {"n": "bad.number"})) as runner:
        with pytest.raises(StageFailed, match="read-only"):
            next(Session(runner))


def test_sessions_in_several_threads_do_not_affect_each_other():
    played = {}
    with LocalRunner(graph(LOOP_OF_TWO, {"n": "there.sum"}, {"step": 1})) as runner:

        def run(step):
            session = Session(runner, [{"step": step}], lookahead=2)
            played[step] = [chunk.outputs["n"][0] for chunk in islice(session, 20)]

        threads = [threading.Thread(target=run, args=(step,)) for step in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=30)
        for step in range(6):
            alone = islice(Session(runner, [{"step": step}]), 20)
            assert played[step] == [chunk.outputs["n"][0] for chunk in alone]


def ticks(count):
    return [Tick(("0",), (chunk,), ({"step": 2},)) for chunk in range(count)]


def test_tick_that_follows_one_in_flight_has_the_bytes_of_a_stream():
    first, *others = ticks(6)
    with LocalRunner(graph(LOOP_OF_TWO, {"n": "there.sum"}, {"step": 2})) as runner:
        begun = [runner.begin(first, initial(runner.graph, ["0"]))]
        for tick in others:
            begun.append(begun[-1].follow(tick))
        chunks = [one.chunk() for one in begun]
        streamed = list(runner.stream(ticks(6)))
    assert [chunk.outputs["n"] for chunk in chunks] == [chunk.outputs["n"] for chunk in streamed]
    assert [chunk.state.chunks for chunk in chunks] == [(chunk + 1,) for chunk in range(6)]


def test_tick_that_follows_a_failed_one_fails_and_a_cancelled_one_is_dropped():
    with LocalRunner(graph(TRAP, {"n": "after.sum"})) as runner:
        tick = Tick(("0",), (3,), ({},))
        state = State(("0",), (3,), initial(runner.graph, ["0"]).values)
        failed = runner.begin(tick, state)
        after = failed.follow(Tick(("0",), (4,), ({},)))
        for one in (failed, after):
            with pytest.raises(StageFailed, match="'trap' failed at chunk 3"):
                one.chunk()
        with runner.hosts["index"][0].lock:
            dropped = runner.begin(Tick(("0",), (5,), ({},)), state)
            dropped.cancel()
        with pytest.raises(CancelledError):
            dropped.chunk()


def test_closed_session_cancels_its_ticks(tmp_path):
    log = tmp_path / "log"
    stages = {
        "index": ("Identify", {}, {"chunk": "clock.chunk"}),
        "slow": ("Slow", {"seconds": 0.02, "log": str(log)}, {"a": "index.number"}),
    }
    with LocalRunner(graph(stages, {"n": "slow.number"})) as runner:
        stream = Session(runner, lookahead=50)
        next(stream)
        stream.close()
        next(Session(runner))
    assert len(log.read_text().splitlines()) < 50  # calls that had not started were dropped


def test_chunk_has_the_message_of_every_stage():
    from soundstage.graph import wire

    checked = graph(TWO_FEED_ONE, {"n": "both.sum"}, {"step": 10})
    with LocalRunner(checked) as runner:
        chunk = next(Session(runner))
    assert set(chunk.messages) == {"in", "left", "right", "both"}
    node = checked.nodes["right"]
    message = wire.decode(node.outputs, chunk.messages["right"], checked.format.dims)
    assert (message.values["sum"].tolist(), message.streams, message.chunks) == ([20], ("0",), (0,))


def test_outputs_of_a_chunk_are_read_only():
    with LocalRunner(graph(SELF_LOOP, {"n": "count.sum"}, {"step": 3})) as runner:
        chunk = next(Session(runner))
    with pytest.raises(ValueError, match="read-only"):
        chunk.outputs["n"][0] = 1
    assert isinstance(chunk.outputs["n"], np.ndarray)
