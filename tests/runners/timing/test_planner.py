"""The planner: properties of predictions, small cases by hand, and comparisons with runs."""

import time
from itertools import islice, pairwise
from statistics import median

import pytest
from hypothesis import given
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

# ---- properties


@st.composite
def graphs(draw):
    """Graphs of up to 6 stages: each may read earlier ones, and all of them by feedback."""
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
    """Yields every simple cycle that continues the path `seen` from stage `at`."""
    for feed in edges:
        if feed.source == at and feed.stage == seen[0].source:
            yield [*seen[1:], feed]
        elif feed.source == at and feed.stage not in {edge.stage for edge in seen}:
            yield from cycles(edges, feed.stage, [*seen, feed])


def every_cycle(small):
    class Start:
        def __init__(self, name):
            self.source = self.stage = name

    for name in small.stage:
        yield from cycles(feeds(small), name, [Start(name)])


@given(graphs())
def test_heaviest_cycle_is_the_heaviest_of_all_simple_cycles(drawn):
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


@given(graphs(), MACHINES, st.integers(1, 6))
def test_tick_is_at_least_the_heaviest_cycle_and_slowest_stage(drawn, machines, rows):
    shape, seconds = drawn
    case = measured(shape, seconds)
    for prediction in (predict(case, {}, machines, rows), propose(case, machines, rows)):
        placed = case.spec.model_copy(update={"placement": dict(prediction.placement)})
        parts = {s: -(-rows // placed.placement_of(s).replicas) for s in shape}
        stage_s = {name: seconds[name] * parts[name] for name in shape}
        assert prediction.tick_s >= heaviest_cycle(placed, stage_s)[0] - 1e-9
        assert prediction.tick_s >= max(stage_s.values()) - 1e-9


@given(graphs(), MACHINES, st.integers(1, 6), st.sampled_from(["gpus", "cpus", "nodes"]))
def test_more_devices_never_give_a_slower_proposal(drawn, machines, rows, what):
    case = measured(*drawn)
    more = Machines(**{**vars(machines), what: getattr(machines, what) + 1})
    assert propose(case, more, rows).tick_s <= propose(case, machines, rows).tick_s + 1e-9


@given(graphs(), MACHINES, st.integers(1, 6))
def test_proposal_is_not_slower_and_uses_only_existing_devices(drawn, machines, rows):
    case = measured(*drawn)
    prediction = propose(case, machines, rows)
    assert prediction.tick_s <= predict(case, case.spec.placement, machines, rows).tick_s + 1e-9
    assert prediction.gpus <= machines.all_gpus
    for entry in prediction.placement.values():
        placed = PlacementSpec(device=entry) if isinstance(entry, str) else entry
        platform, _, index = placed.device.partition(":")
        assert platform in ("auto", "cpu", "gpu")
        assert int(index or 0) < max(1, machines.all_gpus)
        assert int(placed.node or 1) <= machines.nodes


# ---- cases by hand


def test_times_of_stages_on_one_gpu_add_up():
    prediction = predict(
        default(),
        {"default": "cpu", "sample": "gpu:0", "decode": "gpu:0", "crossfade": "gpu:0"},
        Machines(gpus=1),
    )
    assert prediction.tick_s == pytest.approx(0.506)
    assert prediction.busiest.device == "gpu:0"
    assert prediction.latency_s == pytest.approx(0.508)
    assert prediction.path == ("embed", "quantize", "pack", "sample", "decode", "crossfade")


def test_proposal_for_several_gpus_is_limited_by_the_cycle():
    prediction = propose(default(), Machines(gpus=4))
    # sample -> remember -> pack takes 402 ms, on any number of devices
    assert prediction.tick_s == pytest.approx(0.402)
    assert set(prediction.cycle) == {"sample", "remember", "pack"}
    assert prediction.limited_by_cycle
    assert prediction.gpus == 2
    assert prediction.placement == {
        "default": "cpu",
        "sample": "gpu:0",
        "decode": "gpu:1",
        "crossfade": "gpu:1",
    }
    # one tick takes 509 ms: two in flight keep the sampler busy
    assert prediction.window == 2


def test_replicas_split_rows_and_take_the_first_gpus():
    prediction = propose(default(rows=8), Machines(gpus=3))
    assert prediction.placement["sample"] == PlacementSpec(device="gpu", replicas=2)
    assert prediction.placement["decode"] == prediction.placement["crossfade"] == "gpu:2"
    # half of the rows of sample, all rows of remember and pack
    assert prediction.tick_s == pytest.approx(0.202)


def test_fast_stages_stay_on_the_cpu():
    light = measured(SHAPE, dict.fromkeys(SHAPE, LIGHT_S / 2))
    prediction = propose(light, Machines(gpus=8))
    assert prediction.gpus <= 1
    assert all(entry in ("cpu", "auto") for entry in prediction.placement.values())


def test_machines_without_gpus_share_slow_stages_by_label():
    prediction = propose(default(), Machines(nodes=2))
    first, second = (PlacementSpec(device="cpu", node=node) for node in "12")
    assert prediction.placement == {"default": first, "sample": second}
    assert prediction.tick_s == pytest.approx(0.402)


def test_stage_with_a_fixed_machine_keeps_its_placement():
    tied = PlacementSpec(device="cpu", node="llm")
    prediction = propose(default(placement={"sample": tied}), Machines(gpus=4))
    assert prediction.placement["sample"] == tied


def test_spares_are_kept_and_take_their_own_gpus():
    spared = PlacementSpec(device="gpu", spares=1)
    case = default(placement={"default": "cpu", "sample": spared})
    assert predict(case, case.spec.placement, Machines(gpus=4)).gpus == 2
    prediction = propose(case, Machines(gpus=4))
    assert prediction.placement["sample"] == spared
    assert prediction.gpus <= 4


def test_stages_share_cores_but_one_stage_uses_one_core():
    chain = {"a": [], "b": ["a.x"], "c": ["b.x"]}
    case = measured(chain, {"a": 0.3, "b": 0.2, "c": 0.1})
    ticks = [predict(case, {"default": "cpu"}, Machines(cpus=cpus)).tick_s for cpus in (1, 2, 3)]
    assert ticks == pytest.approx([0.6, 0.3, 0.3])
    # all three stages in parallel: a tick takes as long as two of the longest stage
    assert predict(case, {"default": "cpu"}, Machines(cpus=3)).window == 3


def test_cycle_with_two_delays_takes_half_its_time_a_tick():
    shape = {"a": [past("b.x")], "b": [past("a.x")]}
    assert heaviest_cycle(spec(shape), {"a": 3.0, "b": 1.0}) == (2.0, ("a", "b"))
    assert heaviest_cycle(spec({"a": []}), {"a": 3.0}) == (0.0, ())


def test_longest_path_ends_at_the_given_stage():
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
        ({2: 1.0, 8: 7.0}, 1, 0.5),  # the line would give 0: the minimum is in proportion
        ({1: 2.0, 8: 1.0}, 16, 1.0),  # the line would fall: the minimum is the last measurement
    ],
)
def test_times_for_other_numbers_of_rows_are_linear(known, rows, expected):
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
    """Runs a graph with a timeline; returns the seconds between its chunks."""
    moments = []
    with LocalRunner(graph) as runner, open_timeline(path, graph, "1.2.3") as timeline:
        for chunk in islice(Session(runner, [{}] * rows, lookahead=lookahead), chunks):
            moments.append(time.perf_counter())
            timeline.write(chunk)
    return [after - before for before, after in pairwise(moments)]


# A sleep may end late on a busy machine, but never early.
TOLERANCE = 0.2


@pytest.mark.parametrize(
    ("shape", "seconds", "tick_s"),
    [
        (CHAIN, {"first": 0.06, "second": 0.1, "third": 0.05}, 0.1),
        (LOOP, {"first": 0.06, "second": 0.06, "after": 0.1}, 0.12),
    ],
    ids=["the slowest stage", "the feedback cycle"],
)
def test_prediction_agrees_with_a_measured_run(tmp_path, shape, seconds, tick_s):
    graph = slow(shape, seconds)
    draw(tmp_path / "t.json", graph, 6)
    case = read_times([tmp_path / "t.json"])
    predicted = predict(case, case.spec.placement, Machines(cpus=4))
    assert predicted.tick_s == pytest.approx(tick_s, rel=TOLERANCE)
    # Other programs on the machine can only make a run slower: the fastest of three counts.
    ahead = predicted.window - 1
    medians = [
        median(draw(tmp_path / f"again{run}.json", graph, 14, lookahead=ahead)[3:])
        for run in range(3)
    ]
    assert predicted.tick_s == pytest.approx(min(medians), rel=TOLERANCE)
    alone = sum(seconds.values())
    assert predicted.latency_s == pytest.approx(alone, rel=TOLERANCE)


def test_times_are_read_by_the_rows_of_each_replica(tmp_path):
    graph = slow(CHAIN, {"second": 0.01}, placement={"second": {"device": "cpu", "replicas": 2}})
    draw(tmp_path / "one.json", graph, 3)
    draw(tmp_path / "five.json", graph, 3, rows=5)
    case = read_times([tmp_path / "one.json", tmp_path / "five.json"])
    assert set(case.times["first"].steady_s) == {1, 5}
    assert set(case.times["second"].steady_s) == {1, 2, 3}
    assert (case.rows, case.ticks) == (5, 6)


def test_reused_outputs_shorten_the_tick_but_not_the_latency(tmp_path):
    shape = {"sum": ("Add", {"a": "in.step", "b": "in.step"}), "slow": ("Slow", {"a": "sum.sum"})}
    draw(tmp_path / "t.json", slow(shape, {"slow": 0.05}), 5)
    case = read_times([tmp_path / "t.json"])
    prediction = predict(case, {}, Machines())
    assert prediction.tick_s < 0.02
    assert prediction.latency_s > 0.05
