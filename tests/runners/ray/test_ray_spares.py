"""Warm spares of a Ray runner: they replace dead actors without building a stage."""

import os
import signal
import time
from itertools import islice
from types import SimpleNamespace

import pytest
from running_graphs import SELF_LOOP, graph

import soundstage
from soundstage.graph.spec import PlacementSpec
from soundstage.runners.local import LocalRunner
from soundstage.runners.sessions.session import Session

BUILD_S = 4.0
# How much longer than the start of two actors the start of one may take.
PATIENCE = 20


def kill(runner, stage, replica=0):
    os.kill(runner.process_ids()[stage][replica], signal.SIGKILL)


def numbers(session, chunks):
    return [int(chunk.outputs["n"][0]) for chunk in islice(session, chunks)]


def play_until(session, reached, patience_s):
    """Plays until `reached` returns True and the spare is warm; returns the numbers."""
    played = []
    deadline = time.monotonic() + patience_s
    while not reached():
        assert time.monotonic() < deadline, f"there is no spare after {patience_s:.0f} s"
        played += numbers(session, 1)
        # The process that is starting needs the processor more than the music does.
        time.sleep(0.5)
    # The spare gets its request in one tick and is found warm in a later one.
    return played + numbers(session, 3)


@pytest.mark.ray
@pytest.mark.slow
def test_spare_replaces_a_dead_actor_without_building_a_stage(ray_cluster, tmp_path):
    from soundstage.runners.ray.ray_runner import RayRunner

    log = tmp_path / "log"

    def built():
        return log.read_text().split() if log.exists() else []

    def built_times(times):
        return lambda: len(built()) >= times

    stages = {
        "count": SELF_LOOP["count"],
        "work": ("Laborious", {"seconds": BUILD_S, "log": str(log)}, {"a": "count.sum"}),
    }
    placement = {"work": {"device": "cpu", "spares": 1}}
    played = []
    start = time.monotonic()
    with RayRunner(graph(stages, {"n": "work.number"}, {"step": 1}, placement)) as runner:
        patience_s = PATIENCE * (time.monotonic() - start)
        session = Session(runner, lookahead=2)
        assert len(built()) == 2
        played += play_until(session, built_times(2), patience_s)
        for deaths in (1, 2):
            before = runner.process_ids()["work"]
            kill(runner, "work")
            played += numbers(session, 3)
            # The actor that answers had built the stage before the kill.
            assert len(built()) == deaths + 1
            (now,) = runner.process_ids()["work"]
            assert [now] != before
            assert str(now) in built()
            # The actor that died restarts, as the next spare.
            played += play_until(session, built_times(deaths + 2), patience_s)
            assert len(built()) == deaths + 2
    assert played == list(range(2, len(played) + 2))


@pytest.mark.ray
@pytest.mark.slow
def test_deaths_of_several_replicas_at_once_change_no_byte(ray_cluster):
    from soundstage.runners.ray.ray_runner import RayRunner

    rows = [{"prompts": [f"style {row}"], "seed": row} for row in range(4)]
    placed = ["sample={ device = 'cpu', replicas = 2, spares = 1 }", "decode={ spares = 2 }"]
    toy = soundstage.load("toy", placements=placed)
    with LocalRunner(toy) as local:
        expected = [chunk.audio.tobytes() for chunk in islice(Session(local, rows), 12)]
    played = []
    with RayRunner(toy) as runner:
        runner.warm_up(len(rows))
        for tick, chunk in enumerate(islice(Session(runner, rows, lookahead=3), 12)):
            played.append(chunk.audio.tobytes())
            if tick in (1, 6):
                for replica in (0, 1):
                    kill(runner, "sample", replica)
                kill(runner, "decode")
    assert played == expected


class FakeActor:
    """An actor that answers at once, without Ray: a reference is the value itself."""

    def __init__(self, name):
        self.name = name
        self.ready = True

    @property
    def is_ready(self):
        return self

    def options(self, concurrency_group):
        return self

    def remote(self):
        return self.ready


def test_spare_that_takes_over_leaves_no_report_to_its_successor(monkeypatch):
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    from soundstage.runners.ray import pool as pool_module

    monkeypatch.setattr(pool_module.ray, "get", lambda value, timeout=None: value)
    monkeypatch.setattr(pool_module.ray, "wait", lambda values, timeout: (values, []))
    first, second = FakeActor("first"), FakeActor("second")
    pool = pool_module.ActorPool([first, second], replicas=1)
    requests = []

    def call(actor):
        requests.append(actor.name)
        return SimpleNamespace(spans=("a span",))

    # The spare has answered its request, but no tick has looked at the answer yet.
    pool.warm_spares(call)
    first.ready = False
    pool.replace_dead()
    assert pool.active == [second]
    # The dead actor restarts as the spare, and is warm by its own answer only.
    for _ in range(3):
        pool.warm_spares(call)
    assert requests == ["second", "first"]


def test_placement_text_has_the_number_of_spares():
    assert str(PlacementSpec(device="gpu", replicas=2, spares=1)) == "gpu x 2 + 1 spare"
    assert str(PlacementSpec(device="cpu", spares=2)) == "cpu + 2 spares"
    moved = soundstage.load("toy", placements=["decode={ spares = 2 }"])
    assert moved.digest == soundstage.load("toy").digest


def test_every_spare_has_its_own_slot():
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    from soundstage.runners.ray.placement import plan_slots

    placed = ["sample={ device = 'gpu', replicas = 2, spares = 1 }", "decode={ spares = 1 }"]
    nodes = soundstage.load("toy", placements=placed).nodes.values()
    slots = plan_slots(nodes, has_gpu=True).slots
    assert [slot.replica for slot in slots if slot.stage == "sample"] == [0, 1, 2]
    bundles = [slot.bundle for slot in slots if slot.stage in ("sample", "decode")]
    assert len(set(bundles)) == len(bundles) == 5
    slots = plan_slots(nodes, has_gpu=False).slots
    assert all(slot.bundle is None for slot in slots if slot.stage == "decode")
