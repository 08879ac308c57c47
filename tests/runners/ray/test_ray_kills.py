"""Processes of a Ray runner that are killed or hang: the audio is the same."""

import hashlib
import json
import os
import signal
import threading
import time
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from memo_graphs import window
from running_graphs import SELF_LOOP, graph

import soundstage
from soundstage.runners.local import LocalRunner
from soundstage.runners.runner import StageFailed
from soundstage.runners.sessions.session import Session

pytestmark = [pytest.mark.ray, pytest.mark.slow]
KILLS = 10
ROWS = [{"prompts": ["warm pads"], "seed": 1}, {"prompts": ["acid"], "seed": 2}]


@pytest.fixture(scope="module")
def toy(ray_cluster):
    from soundstage.runners.ray.ray_runner import RayRunner

    with RayRunner(soundstage.load("toy")) as runner:
        yield runner


def sha(chunks):
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(np.ascontiguousarray(chunk.audio).tobytes())
    return digest.hexdigest()


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="reads /proc")
def test_processes_of_stages_that_use_no_device_do_not_load_jax(toy):
    next(Session(toy, ROWS))
    loaded = {
        stage: "jaxlib" in Path(f"/proc/{process}/maps").read_text()
        for stage, (process,) in toy.process_ids().items()
    }
    assert loaded == dict.fromkeys(toy.graph.nodes, False)


def kill(runner, stage, replica=0):
    os.kill(runner.process_ids()[stage][replica], signal.SIGKILL)


def test_killing_every_stage_at_random_ticks_changes_no_byte(toy):
    chunks = 3 * KILLS
    with LocalRunner(toy.graph) as local:
        expected = sha(islice(Session(local, ROWS), chunks))
    draw = np.random.default_rng(5)
    stages = list(toy.graph.nodes)
    # Every stage is killed, some of them twice.
    victims = [stages[index % len(stages)] for index in range(KILLS)]
    ticks = sorted(draw.choice(chunks - 1, KILLS, replace=True).tolist())
    before = toy.process_ids()
    chunks_made = []
    session = Session(toy, ROWS, lookahead=3)
    for tick in range(chunks):
        for at, victim in zip(ticks, victims, strict=True):
            if at == tick:
                kill(toy, victim)
        chunks_made.append(next(session))
    assert sha(chunks_made) == expected
    after = toy.process_ids()
    assert all(before[stage] != after[stage] for stage in stages)


def test_memo_lost_with_its_process_is_rebuilt(ray_cluster, tmp_path):
    from soundstage.runners.ray.ray_runner import RayRunner

    log = tmp_path / "log"
    with RayRunner(window(log=str(log))) as runner:
        session = Session(runner, [{"step": 1}, {"step": 10}])
        assert [next(session).outputs["sum"].tolist() for _ in range(3)][-1] == [3, 30]
        kill(runner, "window")
        session.steer(step=2)
        assert [next(session).outputs["sum"].tolist() for _ in range(3)][-1] == [7, 16]
        branch = session.branch(step=3)
        assert next(session).outputs["sum"].tolist() == [8, 8]
        assert next(branch).outputs["sum"].tolist() == [9, 9]
    states = [json.loads(line) for line in log.read_text().splitlines()]
    assert states[0] == [[0, 0, 0, 0], [0, 0, 0, 0]]
    assert states[1] == [[0, 1, 1, 1], [0, 10, 10, 10]]
    assert states[2:] == [[[1, 2, 2, 2], [10, 2, 2, 2]]]


def test_killing_a_stage_while_it_computes_changes_no_byte(ray_cluster, tmp_path):
    from soundstage.runners.ray.ray_runner import RayRunner

    stages = {
        "count": SELF_LOOP["count"],
        "slow": ("Slow", {"seconds": 0.6, "log": str(tmp_path / "log")}, {"a": "count.sum"}),
    }
    with RayRunner(graph(stages, {"n": "slow.number"}, {"step": 1})) as runner:
        session = Session(runner, lookahead=2)
        next(session)
        pids = runner.process_ids()
        timer = threading.Timer(0.3, os.kill, (pids["slow"][0], signal.SIGKILL))
        timer.start()
        assert [int(next(session).outputs["n"][0]) for _ in range(3)] == [3, 4, 5]
        assert runner.process_ids()["slow"] != pids["slow"]


def test_hanging_stage_fails_and_the_runner_stays_usable(ray_cluster):
    from soundstage.runners.ray.ray_runner import RayRunner, RaySettings

    stages = {
        "count": SELF_LOOP["count"],
        "hang": ("Hang", {"number": 3}, {"a": "count.sum"}),
    }
    small = graph(stages, {"n": "hang.number"}, {"step": 1})
    with RayRunner(small, RaySettings(stage_timeout_s=30)) as runner:
        runner.settings = RaySettings(stage_timeout_s=2)  # building took longer than a tick
        session = Session(runner, lookahead=2)
        assert [int(next(session).outputs["n"][0]) for _ in range(2)] == [1, 2]
        with pytest.raises(StageFailed, match="'hang' failed at chunk 2: no answer within 2 s"):
            next(session)
        runner.settings = RaySettings(stage_timeout_s=60)
        other = Session(runner, [{"step": 10}])
        assert [int(next(other).outputs["n"][0]) for _ in range(2)] == [10, 20]
        session.steer(step=2)
        assert int(next(session).outputs["n"][0]) == 4


def test_dropped_chunks_leave_no_reference_in_the_object_store(toy):
    from ray._private.worker import global_worker

    def references():
        return len(global_worker.core_worker.get_all_reference_counts())

    session = Session(toy, ROWS, lookahead=3)
    for chunk in islice(session, 20):
        kept = [chunk]
    before = references()
    kept = list(islice(session, 200))  # chunks keep references to their messages
    assert references() > before
    del kept, chunk
    deadline = time.monotonic() + 20
    while references() > before and time.monotonic() < deadline:
        next(session)
        time.sleep(0.2)
    assert references() <= before
