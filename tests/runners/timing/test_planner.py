"""Plans: laws of the prediction, small cases by hand, and what a run then measures."""

import time
from itertools import islice, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planned_graphs import SHAPE, STEADY_S, default, measured, spec
from small_graphs import past
from small_graphs import tables as small_tables

from soundstage.graph.check import build
from soundstage.graph.spec import PlacementSpec, parse
from soundstage.runners.local import LocalRunner
from soundstage.runners.sessions.session import Session
from soundstage.runners.timing.critical_path import feeds, heaviest_cycle, longest_path
from soundstage.runners.timing.planner import LIGHT_S, Machines, predict, propose
from soundstage.runners.timing.stage_times import read_times, seconds_for
from soundstage.runners.timing.timeline import open_timeline

# ---- laws


@st.composite
def graphs(draw):
    """Any graph of up to 6 stages: each may read earlier ones now, and all in the past."""
    names = [f"s{index}" for index in range(draw(st.integers(1, 6)))]
    shape = {
        name: [f"{other}.x" for other in draw(st.sets(st.sampled_from(names[:index] or names)))]
        if index
        else []
        for index, name in enumerate(names)
    }
    for name in names:
        shape[name] += [past(f"{other}.x") for other in draw(st.sets(st.sampled_from(names)))]
    seconds = {name: draw(st.sampled_from([0.0, 0.001, 0.01, 0.2, 1.5])) for name in names}
    return shape, seconds


def cycles(edges, at, seen):
    """Every simple cycle through the first of `seen` and stages not before it."""
    for feed in edges:
        if feed.source == at and feed.stage == seen[0].source:
            yield [*seen[1:], feed]
        elif feed.source == at and feed.stage not in {one.stage for one in seen}:
            yield from cycles(edges, feed.stage, [*seen, feed])


def every_cycle(small):
    class Start:
        def __init__(self, name):
            self.source = self.stage = name

    for name in small.stage:
        yield from cycles(feeds(small), name, [Start(name)])


@given(graphs())
def test_the_heaviest_cycle_is_the_heaviest_of_all_cycles(drawn):
    shape, seconds = drawn
    small = spec(shape)
    all_s = [
        sum(seconds[feed.source] for feed in cycle) / sum(feed.past for feed in cycle)
        for cycle in every_cycle(small)
    ]
    heaviest_s, stages = heaviest_cycle(small, seconds)
    assert heaviest_s == pytest.approx(max(all_s, default=0.0))
    if heaviest_s:
        pairs = {(feed.source, feed.stage) for feed in feeds(small)}
        assert set(pairwise([*stages, stages[0]])) <= pairs


MACHINES = st.builds(Machines, st.integers(0, 5), st.integers(1, 4), st.integers(1, 3))


@settings(deadline=None)
@given(graphs(), MACHINES, st.integers(1, 6))
def test_no_tick_is_shorter_than_the_heaviest_cycle_or_the_slowest_stage(drawn, machines, rows):
    shape, seconds = drawn
    case = measured(shape, seconds)
    for found in (predict(case, {}, machines, rows), propose(case, machines, rows)):
        placed = case.spec.model_copy(update={"placement": dict(found.placement)})
        parts = {s: -(-rows // placed.placement_of(s).replicas) for s in shape}
        stage_s = {name: seconds[name] * parts[name] for name in shape}
        assert found.tick_s >= heaviest_cycle(placed, stage_s)[0] - 1e-9
        assert found.tick_s >= max(stage_s.values()) - 1e-9


@settings(deadline=None)
@given(graphs(), MACHINES, st.integers(1, 6), st.sampled_from(["gpus", "cpus", "nodes"]))
def test_more_devices_never_make_a_proposal_slower(drawn, machines, rows, what):
    case = measured(*drawn)
    more = Machines(**{**vars(machines), what: getattr(machines, what) + 1})
    assert propose(case, more, rows).tick_s <= propose(case, machines, rows).tick_s + 1e-9


@settings(deadline=None)
@given(graphs(), MACHINES, st.integers(1, 6))
def test_a_proposal_is_no_slower_than_what_there_is_and_names_devices_there_are(
    drawn, machines, rows
):
    case = measured(*drawn)
    found = propose(case, machines, rows)
    assert found.tick_s <= predict(case, case.spec.placement, machines, rows).tick_s + 1e-9
    assert found.gpus <= machines.all_gpus
    for entry in found.placement.values():
        placed = PlacementSpec(device=entry) if isinstance(entry, str) else entry
        platform, _, index = placed.device.partition(":")
        assert platform in ("auto", "cpu", "gpu")
        assert int(index or 0) < max(1, machines.all_gpus)
        assert int(placed.node or 1) <= machines.nodes


# ---- cases by hand


def test_on_one_gpu_all_that_is_heavy_adds_up_and_the_rest_stays_on_the_cpu():
    found = predict(
        default(),
        {"default": "cpu", "sample": "gpu:0", "decode": "gpu:0", "crossfade": "gpu:0"},
        Machines(gpus=1),
    )
    assert found.tick_s == pytest.approx(0.506)
    assert found.busiest.device == "gpu:0"
    assert found.latency_s == pytest.approx(0.508)
    assert found.path == ("embed", "quantize", "pack", "sample", "decode", "crossfade")


def test_a_second_gpu_takes_the_codec_until_the_feedback_cycle_is_the_floor():
    found = propose(default(), Machines(gpus=4))
    # sample -> remember -> pack, 402 ms: what a tick takes however many devices there are
    assert found.tick_s == pytest.approx(0.402)
    assert set(found.cycle) == {"sample", "remember", "pack"}
    assert found.limited_by_cycle
    assert found.gpus == 2
    assert found.placement == {
        "default": "cpu",
        "sample": "gpu:0",
        "decode": "gpu:1",
        "crossfade": "gpu:1",
    }
    # one tick takes 509 ms: two under way keep the sampler busy
    assert found.window == 2


def test_replicas_split_rows_and_named_gpus_come_behind_theirs():
    found = propose(default(rows=8), Machines(gpus=3))
    assert found.placement["sample"] == PlacementSpec(device="gpu", replicas=2)
    assert found.placement["decode"] == found.placement["crossfade"] == "gpu:2"
    # half of sample's rows, with all of remember's and pack's
    assert found.tick_s == pytest.approx(0.202)


def test_what_is_light_stays_on_the_cpu():
    light = measured(SHAPE, dict.fromkeys(SHAPE, LIGHT_S / 2))
    found = propose(light, Machines(gpus=8))
    assert found.gpus <= 1
    assert all(entry in ("cpu", "auto") for entry in found.placement.values())


def test_machines_without_a_gpu_share_heavy_stages_by_label():
    found = propose(default(), Machines(nodes=2))
    first, second = (PlacementSpec(device="cpu", node=node) for node in "12")
    assert found.placement == {"default": first, "sample": second}
    assert found.tick_s == pytest.approx(0.402)


def test_what_is_tied_to_a_place_stays_there():
    tied = PlacementSpec(device="cpu", node="llm")
    found = propose(default(placement={"sample": tied}), Machines(gpus=4))
    assert found.placement["sample"] == tied


def test_spares_are_kept_and_take_gpus_of_their_own():
    spared = PlacementSpec(device="gpu", spares=1)
    case = default(placement={"default": "cpu", "sample": spared})
    assert predict(case, case.spec.placement, Machines(gpus=4)).gpus == 2
    found = propose(case, Machines(gpus=4))
    assert found.placement["sample"] == spared
    assert found.gpus <= 4


def test_cores_share_the_work_but_one_stage_uses_one():
    chain = {"a": [], "b": ["a.x"], "c": ["b.x"]}
    case = measured(chain, {"a": 0.3, "b": 0.2, "c": 0.1})
    ticks = [predict(case, {"default": "cpu"}, Machines(cpus=cpus)).tick_s for cpus in (1, 2, 3)]
    assert ticks == pytest.approx([0.6, 0.3, 0.3])
    # all three at once, as a tick takes as long as two of the longest stage
    assert predict(case, {"default": "cpu"}, Machines(cpus=3)).window == 3


def test_a_cycle_over_two_ticks_has_twice_the_time():
    shape = {"a": [past("b.x")], "b": [past("a.x")]}
    assert heaviest_cycle(spec(shape), {"a": 3.0, "b": 1.0}) == (2.0, ("a", "b"))
    assert heaviest_cycle(spec({"a": []}), {"a": 3.0}) == (0.0, ())


def test_the_longest_path_ends_where_it_is_asked_to():
    seconds = dict(STEADY_S, decode=9.0)
    assert longest_path(spec(SHAPE), seconds, ["remember"])[1][-2:] == ("sample", "remember")


@pytest.mark.parametrize(
    ("known", "rows", "expected"),
    [
        ({4: 8.0}, 2, 4.0),
        ({4: 8.0}, 8, 16.0),
        ({1: 1.0, 8: 2.4}, 4, 1.6),
        ({1: 1.0, 8: 2.4}, 16, 4.0),
        ({2: 1.0, 8: 1.0}, 1, 1.0),
        ({2: 1.0, 8: 7.0}, 1, 0.5),  # the line would be at 0: never less than in proportion
        ({1: 2.0, 8: 1.0}, 16, 1.0),  # nor ever falling
    ],
)
def test_other_numbers_of_rows_lie_on_a_line(known, rows, expected):
    assert seconds_for(known, rows) == pytest.approx(expected)


# ---- timelines


LOOP = {
    "turn": ("Add", {"a": "in.step", "b": past("second.number")}),
    "first": ("Slow", {"a": "turn.sum"}),
    "second": ("Slow", {"a": "first.number"}),
    "after": ("Slow", {"a": "second.number"}),
}
CHAIN = {
    "index": ("Identify", {"chunk": "clock.chunk"}),
    "first": ("Slow", {"a": "index.number"}),
    "second": ("Slow", {"a": "first.number"}),
    "third": ("Slow", {"a": "second.number"}),
}


def slow(shape, seconds, **more):
    tables = small_tables(shape, {"step": 1}, {"n": f"{list(shape)[-1]}.number"}, **more)
    for name, stage_s in seconds.items():
        tables["stage"][name]["params"] = {"seconds": stage_s}
    return build(parse(tables), ["small_stages"])


def draw(path, graph, chunks, rows=1, lookahead=0):
    """Runs a graph with a timeline; the seconds between its chunks."""
    moments = []
    with LocalRunner(graph) as runner, open_timeline(path, graph, "1.2.3") as timeline:
        for chunk in islice(Session(runner, [{}] * rows, lookahead=lookahead), chunks):
            moments.append(time.perf_counter())
            timeline.write(chunk)
    return [after - before for before, after in pairwise(moments)]


# The machine may be busy with other things: a sleep then ends late, never early.
TOLERANCE = 0.2


@pytest.mark.parametrize(
    ("shape", "seconds", "tick_s"),
    [
        (CHAIN, {"first": 0.06, "second": 0.1, "third": 0.05}, 0.1),
        (LOOP, {"first": 0.06, "second": 0.06, "after": 0.1}, 0.12),
    ],
    ids=["the slowest stage", "the feedback cycle"],
)
def test_a_prediction_agrees_with_what_a_run_then_measures(tmp_path, shape, seconds, tick_s):
    graph = slow(shape, seconds)
    draw(tmp_path / "t.json", graph, 6)
    case = read_times([tmp_path / "t.json"])
    predicted = predict(case, case.spec.placement, Machines(cpus=4))
    gaps = sorted(draw(tmp_path / "again.json", graph, 14, lookahead=predicted.window - 1)[3:])
    assert predicted.tick_s == pytest.approx(tick_s, rel=TOLERANCE)
    assert predicted.tick_s == pytest.approx(gaps[len(gaps) // 2], rel=TOLERANCE)
    alone = sum(seconds.values())
    assert predicted.latency_s == pytest.approx(alone, rel=TOLERANCE)


def test_times_are_read_by_rows_and_replicas_have_a_part_of_them(tmp_path):
    graph = slow(CHAIN, {"second": 0.01}, placement={"second": {"device": "cpu", "replicas": 2}})
    draw(tmp_path / "one.json", graph, 3)
    draw(tmp_path / "five.json", graph, 3, rows=5)
    case = read_times([tmp_path / "one.json", tmp_path / "five.json"])
    assert set(case.times["first"].steady_s) == {1, 5}
    assert set(case.times["second"].steady_s) == {1, 2, 3}
    assert (case.rows, case.ticks) == (5, 6)


def test_an_answer_given_again_counts_little_until_a_steer(tmp_path):
    shape = {"sum": ("Add", {"a": "in.step", "b": "in.step"}), "slow": ("Slow", {"a": "sum.sum"})}
    draw(tmp_path / "t.json", slow(shape, {"slow": 0.05}), 5)
    case = read_times([tmp_path / "t.json"])
    found = predict(case, {}, Machines())
    assert found.tick_s < 0.02
    assert found.latency_s > 0.05
