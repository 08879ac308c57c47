"""The timeline: correct spans, and a file that viewers of trace events can read."""

from dataclasses import replace
from itertools import islice

import pytest
import trace_events
from command_line import run, told
from small_graphs import graph, past
from trace_events import of

import soundstage
from soundstage.runners.local import LocalRunner
from soundstage.runners.sessions.session import Session
from soundstage.runners.spans import Span, now_s
from soundstage.runners.timing.timeline import open_timeline
from soundstage.runners.timing.timings import Timings

FAN_IN = graph(
    {
        "left": ("Identify", {"chunk": "clock.chunk"}),
        "right": ("Add", {"a": "in.step", "b": "in.step"}),
        "both": ("Add", {"a": "left.number", "b": "right.sum"}),
    },
    {"step": 2},
    {"n": "both.sum"},
)
LOOP = graph(
    {
        "here": ("Digits", {"a": "in.step", "past": past("there.sum", 5)}),
        "there": ("Add", {"a": "here.number", "b": "in.step"}),
    },
    {"step": 2},
    {"n": "there.sum"},
)
COUNT = graph(
    {"count": ("Add", {"a": "in.step", "b": past("count.sum")})}, {"step": 2}, {"n": "count.sum"}
)
SLOW = graph(
    {
        "index": ("Identify", {"chunk": "clock.chunk"}),
        "first": ("Slow", {"a": "index.number"}),
        "second": ("Slow", {"a": "first.number"}),
    },
    outputs={"n": "second.number"},
)


def play(graph, count, lookahead=0, rows=({},)):
    with LocalRunner(graph) as runner:
        return list(islice(Session(runner, rows, lookahead=lookahead), count))


def draw(path, graph, chunks):
    with open_timeline(path, graph, "1.2.3") as timeline:
        for chunk in chunks:
            timeline.write(chunk)
    return trace_events.read(path)


def kinds(chunk, stage):
    return [span.kind for span in chunk.spans if span.stage == stage]


# ---- spans


@pytest.mark.parametrize("lookahead", [0, 2])
def test_every_stage_has_all_its_spans_in_every_tick(lookahead):
    for index, chunk in enumerate(play(LOOP, 4, lookahead)):
        assert {span.stage for span in chunk.spans} == set(LOOP.nodes)
        assert {(span.tick, span.replica) for span in chunk.spans} == {(index, 0)}
        for stage in LOOP.nodes:
            assert kinds(chunk, stage) == ["queue", "compute"]


def test_spans_of_a_stage_do_not_overlap_and_are_within_the_run():
    before = now_s()
    chunks = play(SLOW, 3, lookahead=1)
    after = now_s()
    for stage in SLOW.nodes:
        spans = [span for chunk in chunks for span in chunk.spans if span.stage == stage]
        moments = [moment for span in spans for moment in (span.start_s, span.end_s)]
        assert moments == sorted(moments)
        assert before <= moments[0]
        assert moments[-1] <= after


def test_reused_output_has_a_reuse_span_and_no_compute_span():
    controls_only = graph({"sum": ("Add", {"a": "in.a", "b": "in.a"})}, {"a": 1}, {"n": "sum.sum"})
    first, second = play(controls_only, 2)
    (computed,) = (span for span in first.spans if span.kind == "compute")
    assert computed.seconds == first.seconds["sum"] > 0
    assert kinds(second, "sum") == ["queue", "reuse"]
    assert second.seconds["sum"] == 0


def test_stage_has_a_queue_span_while_its_source_computes():
    (chunk,) = play(SLOW, 1)
    (queue,) = (s for s in chunk.spans if (s.stage, s.kind) == ("second", "queue"))
    (compute,) = (s for s in chunk.spans if (s.stage, s.kind) == ("first", "compute"))
    assert queue.end_s >= compute.end_s
    # For most of the other stage's call.
    assert queue.seconds >= 0.8 * compute.seconds


# ---- the file


@pytest.mark.parametrize("lookahead", [0, 1, 3])
@pytest.mark.parametrize("small", [FAN_IN, LOOP, COUNT], ids=["fan-in", "loop", "count"])
def test_timeline_keeps_the_rules_of_the_format(tmp_path, small, lookahead):
    events = draw(tmp_path / "t.json", small, play(small, 5, lookahead))
    assert set(trace_events.lanes(events).values()) == {"playback", *small.nodes}
    assert len(of(events, "X")) == 5 * 2 * len(small.nodes)
    assert len(of(events, "b")) == len(of(events, "C")) == 5


def test_arrows_show_messages_and_feedback(tmp_path):
    events = draw(tmp_path / "t.json", LOOP, play(LOOP, 4))
    arrows = [(event["name"], event["cat"]) for event in of(events, "s")]
    assert arrows.count(("here to there", "message")) == 4
    assert arrows.count(("there to here", "feedback")) == 3
    assert len(arrows) == 7


def test_consecutive_runs_are_not_joined_by_arrows(tmp_path):
    with LocalRunner(LOOP) as runner:
        chunks = [*islice(Session(runner), 2), *islice(Session(runner), 2)]
    arrows = [event["cat"] for event in of(draw(tmp_path / "t.json", LOOP, chunks), "s")]
    assert arrows.count("feedback") == 2


def late(chunks, seconds_each):
    """Yields the chunks with spans as if each had taken `seconds_each`, from second 1000 on."""
    for index, chunk in enumerate(chunks):
        start_s = 1000 + index * seconds_each
        spans = [Span(stage, 0, index, "compute", start_s, start_s) for stage in LOOP.nodes]
        spans[-1] = replace(spans[-1], end_s=start_s + seconds_each)
        yield replace(chunk, spans=tuple(spans))


def test_marks_show_deadlines_and_the_counter_shows_lateness(tmp_path):
    chunks = play(LOOP, 4)
    assert LOOP.format.chunk_s == 2
    slow = draw(tmp_path / "slow.json", LOOP, late(chunks, 3.0))
    marks = [(event["name"], event["ts"] / 1e6) for event in of(slow, "i")]
    assert marks == [(f"chunk {index} due", 2.0 + 2 * index) for index in range(4)]
    assert [event["args"]["s"] for event in of(slow, "C")] == [1.0, 2.0, 3.0, 4.0]
    fast = draw(tmp_path / "fast.json", LOOP, late(chunks, 0.25))
    # All are early: only the first mark after the end of the run is written.
    assert [event["name"] for event in of(fast, "i")] == ["chunk 0 due"]
    assert [event["args"]["s"] for event in of(fast, "C")] == [-1.75, -3.5, -5.25, -7.0]


def test_each_replica_of_a_stage_has_its_own_lane(tmp_path):
    chunks = play(LOOP, 3)
    split = [
        replace(chunk, spans=tuple(replace(s, replica=index % 2) for s in chunk.spans))
        for index, chunk in enumerate(chunks)
    ]
    names = set(trace_events.lanes(draw(tmp_path / "t.json", LOOP, split)).values())
    assert names >= {"here", "here (replica 1)", "there", "there (replica 1)"}


def test_failed_run_leaves_no_timeline(tmp_path):
    path = tmp_path / "t.json"
    (chunk,) = play(LOOP, 1)

    def fail():
        with open_timeline(path, LOOP, "1.2.3") as timeline:
            timeline.write(chunk)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert list(tmp_path.iterdir()) == []


# ---- medians


def test_median_of_compute_is_over_the_ticks_that_computed():
    timings = Timings()
    (chunk,) = play(COUNT, 1)
    for index, (kind, seconds) in enumerate([("compute", 3.0), ("compute", 1.0), ("reuse", 9.0)]):
        spans = (
            Span("count", 0, index, "queue", 0.0, 0.25),
            Span("count", 0, index, "transfer", 1.0, 1.5),
            Span("count", 0, index, kind, 2.0, 2.0 + seconds),
            Span("count", 0, index, "transfer", 20.0, 20.5),
        )
        timings.add(replace(chunk, spans=spans))
    head, line = timings.lines()
    assert " ".join(head.split()) == "stage compute ms transfer ms queue ms median of 3 chunks"
    assert " ".join(line.split()) == "count 2000.0 1000.0 250.0 1 of 3 reused"


def test_timings_without_spans_have_no_lines():
    assert Timings().lines() == []


# ---- the command


def test_generate_writes_a_timeline_and_prints_the_medians(tmp_path):
    path = tmp_path / "t.json"
    arguments = ("--preset", "toy", "--duration", 6, "-o", tmp_path / "a.wav", "--trace", path)
    done = run("generate", "bells", *arguments)
    assert done.code == 0, done.stderr
    events = trace_events.read(path)
    toy = soundstage.load(preset="toy")
    assert set(trace_events.lanes(events).values()) == {"playback", *toy.nodes}
    assert len(of(events, "b")) == 3
    table = done.stderr.splitlines()[-len(toy.nodes) - 1 :]
    assert table[0].endswith("median of 3 chunks")
    assert {line.split()[0] for line in table[1:]} == set(toy.nodes)
    assert any(line.endswith("2 of 3 reused") for line in table)


@pytest.mark.parametrize(
    ("trace", "code", "why"),
    [("a.wav", 2, "both name"), ("none/t.json", 6, "there is no folder")],
)
def test_timeline_path_that_cannot_be_written_is_refused_at_once(tmp_path, trace, code, why):
    output = tmp_path / "a.wav"
    done = run("generate", "--preset", "toy", "-o", output, "--trace", tmp_path / trace)
    assert done.code == code
    assert why in told(done.stderr)
    assert list(tmp_path.iterdir()) == []
