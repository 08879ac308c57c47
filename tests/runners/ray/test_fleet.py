"""Engines that are processes: killed, stopped and drained while streams play, to equal bytes."""

import asyncio
import os
import re
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from engines import Alone, play, read, row_of, sha_of, until
from tone_graphs import tones

from soundstage.errors import Error
from soundstage.runners.choice import EngineRange
from soundstage.runners.engine.refusals import EngineLost, StreamFailed
from soundstage.runners.fleet import keeper
from soundstage.runners.fleet.fleet import Fleet
from soundstage.runners.fleet.scaling import REMOVE_AFTER_S, Scaler

pytest.importorskip("ray", reason="the extra `ray` is not installed")
from soundstage.runners.ray import engine_actor, engine_runner, ray_runner
from soundstage.runners.ray.engine_actor import EngineSetup
from soundstage.runners.ray.placement import Bundle, place_engine

pytestmark = [pytest.mark.ray, pytest.mark.slow]
STREAMS, CHUNKS = 8, 6
FAILS = 77
# How much longer than the first start of all engines one may take to be back.
PATIENCE = 20


@contextmanager
def fleet_of(graph, engines, **options):
    """Runs a fleet of Ray actors until all its engines are ready."""
    start_s = time.monotonic()
    fleet = Fleet(graph, engines=engines, rows=16, runner="ray", **options)
    asyncio.run(fleet.start())
    while not all(engine.ready for engine in fleet.engines):
        time.sleep(0.05)
    fleet.patience_s = PATIENCE * (time.monotonic() - start_s)
    try:
        yield fleet
    finally:
        asyncio.run(fleet.close())


@pytest.fixture(scope="module")
def alone():
    alone = Alone(tones())
    with alone.runner:
        yield alone


@pytest.fixture(scope="module")
def fleet(ray_cluster):
    with fleet_of(tones(seconds=0.02, fails=FAILS), 2, patience_s=2.0) as fleet:
        yield fleet


def wait(fleet, condition):
    until_s = time.monotonic() + fleet.patience_s
    while not condition():
        assert time.monotonic() < until_s
        time.sleep(0.05)


def all_ready(fleet):
    return all(engine.ready for engine in fleet.engines)


def playing(fleet, alone, act):
    """Plays 8 streams, acts when half of each is read, and compares their bytes.

    Args:
        fleet: the fleet.
        alone: the same music in this process.
        act: called with the fleet.
    """

    async def scenario():
        streams = [await fleet.join({"step": step + 1}, pace="fast") for step in range(STREAMS)]
        for stream in streams:
            await stream.play()
        chunks = await asyncio.gather(*(read(stream, CHUNKS // 2) for stream in streams))
        await asyncio.to_thread(act, fleet)
        rest = await asyncio.gather(*(read(stream, CHUNKS // 2) for stream in streams))
        rows = [row_of(stream) for stream in streams]
        places = [sum(row in engine.rows() for row in rows) for engine in fleet.engines]
        for stream in streams:
            await stream.close()
        for step, (first, second) in enumerate(zip(chunks, rest, strict=True)):
            assert sha_of(first + second) == alone.sha({"step": step + 1}, (CHUNKS, {}))
        return places

    return asyncio.run(asyncio.wait_for(scenario(), fleet.patience_s + 60))


def command(pid):
    return Path(f"/proc/{pid}/cmdline").read_text()


def descendants():
    """Returns the processes that this one and its children have started."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it has ended
    found = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return sorted(found)


def kill(engine):
    os.kill(engine.runner.process, signal.SIGKILL)


def test_streams_are_spread_over_the_engines(fleet, alone):
    assert playing(fleet, alone, lambda fleet: None) == [STREAMS // 2, STREAMS // 2]
    ticks = [engine.counts.ticks for engine in fleet.engines]
    assert min(ticks) >= CHUNKS * STREAMS // 2
    assert fleet.counts().ticks == sum(ticks)


def test_killed_engine_loses_no_stream_and_no_byte_and_comes_back(fleet, alone):
    first, second = fleet.engines
    before = first.runner.process
    moved = fleet.places.moves["lost"]
    assert playing(fleet, alone, lambda fleet: kill(first)) == [0, STREAMS]
    assert fleet.places.moves["lost"] == moved + STREAMS // 2
    assert first.losses == 1
    wait(fleet, lambda: all_ready(fleet))
    assert first.runner.process != before
    assert second.losses == 0


def test_engine_that_stops_and_goes_on_keeps_its_process(fleet, alone):
    engine = fleet.engines[1]
    process, losses = engine.runner.process, engine.losses

    def stop(fleet):
        os.kill(process, signal.SIGSTOP)
        wait(fleet, lambda: not engine.ready)
        os.kill(process, signal.SIGCONT)

    playing(fleet, alone, stop)
    wait(fleet, lambda: all_ready(fleet))
    assert engine.losses == losses + 1
    assert engine.runner.process == process


def test_engine_that_hangs_is_replaced(fleet, alone, monkeypatch):
    monkeypatch.setattr(keeper, "GRACE_S", 0.1)
    engine = fleet.engines[1]
    process = engine.runner.process
    assert playing(fleet, alone, lambda fleet: os.kill(process, signal.SIGSTOP)) == [STREAMS, 0]
    wait(fleet, lambda: all_ready(fleet))
    assert engine.runner.process != process


def test_drained_engine_hands_its_streams_on(fleet, alone):
    def drain(fleet):
        with fleet.places.lock:
            assert fleet.places.drain(fleet.engines[0]) == 0

    try:
        assert playing(fleet, alone, drain) == [0, STREAMS]
    finally:
        fleet.engines[0].draining = False


def test_engine_that_is_not_needed_is_removed_and_another_is_added_when_it_is(fleet, alone):
    """Streams that are not realtime leave their engines free: one would do."""
    few = Scaler(fleet.places, fleet.roster, EngineRange(1, 2))
    graph, (first, second) = fleet.graph, fleet.engines

    async def look(scaler, *times_s):
        for now_s in times_s:
            await scaler.look(graph, now_s)
        await until(lambda: not scaler.starting)

    def remove(fleet):
        asyncio.run(look(few, 0.0, REMOVE_AFTER_S))

    assert playing(fleet, alone, remove) == [STREAMS]
    assert few.removed == 1
    (left,) = fleet.engines
    (removed,) = {first, second} - {left}
    assert not removed.alive
    asyncio.run(look(Scaler(fleet.places, fleet.roster, EngineRange(2, 2)), 0.0))
    assert playing(fleet, alone, lambda fleet: None) == [STREAMS // 2, STREAMS // 2]


def test_stage_that_fails_ends_its_stream_alone(fleet, alone):
    async def scenario():
        good, bad = [await fleet.join({"step": step}, pace="fast") for step in (5, FAILS)]
        await good.play()
        await bad.play()
        with pytest.raises(
            StreamFailed, match="stage 'tone' failed at chunk 0: RuntimeError: a row"
        ):
            await anext(bad)
        assert sha_of(await read(good, 3)) == alone.sha({"step": 5}, (3, {}))
        await good.close()

    play(scenario())
    assert all_ready(fleet)


def test_realtime_streams_are_not_late_when_their_engine_is_killed(ray_cluster):
    """Chunks of 30 s, each made as soon as the one before is heard from: there is time to move."""

    async def scenario(fleet):
        streams = [await fleet.join({"step": step + 1}) for step in range(4)]
        for stream in streams:
            await stream.play()
        await asyncio.gather(*(read(stream, 1) for stream in streams))
        there = len(fleet.engines[0].rows())  # two, or as the measured times have it
        kill(fleet.engines[0])  # while the second chunks are made
        second = [chunk for (chunk,) in await asyncio.gather(*(read(s, 1) for s in streams))]
        assert [chunk.chunk for chunk in second] == [1] * 4
        assert min(chunk.slack_s for chunk in second) > 0
        await until(lambda: fleet.places.moves["lost"] == there)
        for stream in streams:
            await stream.close()

    with fleet_of(tones(seconds=0.5, chunk_s=30.0), 2, patience_s=2.0) as fleet:
        play(scenario(fleet))
        assert fleet.counts().underruns == 0


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_killed_stage_of_an_engine_of_many_processes_changes_no_byte(ray_cluster, alone):
    placed = {"default": "cpu", "tone": {"device": "cpu", "spares": 1}}
    with fleet_of(tones(placement=placed), 1, patience_s=2.0) as fleet:
        victims = [pid for pid in descendants() if "StageActor" in command(pid)]
        assert len(victims) == 3  # a spare among them
        playing(fleet, alone, lambda fleet: os.kill(victims[0], signal.SIGKILL))
        wait(fleet, lambda: all_ready(fleet))


def placed_on(cores):
    """Returns how an engine is placed that takes some processors of a machine."""
    place = place_engine(tones(), False)
    options, bundle = {**place.options, "num_cpus": cores}, Bundle({"CPU": cores}, {}, ["tone"])
    return replace(place, options=options, bundles=(bundle,))


def reason_of(fleet, graph):
    """Adds an engine that cannot start, and returns why; it is removed again."""
    engine = fleet.roster.add(graph)
    with pytest.raises(Error) as failed:
        asyncio.run(fleet.roster.start(engine))
    asyncio.run(fleet.roster.remove(engine))
    return str(failed.value)


def test_engines_that_never_get_ready_are_one_line_each_and_others_play_on(
    fleet, alone, tmp_path, monkeypatch, caplog
):
    reasons = {}

    def add_all(fleet):
        ours = engine_runner.versions()
        with monkeypatch.context() as patch:
            patch.setattr(engine_runner, "versions", lambda: {**ours, "jax": "0.1"})
            reasons["version"] = reason_of(fleet, tones())
        reasons["weights"] = reason_of(fleet, tones(weights=str(tmp_path / "weights")))
        with monkeypatch.context() as patch:
            patch.setattr(engine_runner, "TELL_AFTER_S", 0.0)
            patch.setattr(engine_runner, "READY_WITHIN_S", 1.0)
            reasons["hangs"] = reason_of(fleet, tones(hangs=3600.0))

    assert playing(fleet, alone, add_all) == [STREAMS // 2, STREAMS // 2]
    number = r"engine \d+"
    host = re.escape(socket.gethostname())
    assert re.fullmatch(
        rf"{number}: the machine {host} has jax .*, and the server has .*jax 0\.1: install the "
        "same versions on all machines",
        reasons["version"],
    )
    assert re.fullmatch(
        rf"{number}: machine {host}: .*/weights: no such weights: copy them to every machine",
        reasons["weights"],
    )
    waits = "its process starts, or loads weights; the logs of its machine say more"
    assert re.fullmatch(rf"{number} was not ready within 1 s: {waits}", reasons["hangs"])
    told = [record.getMessage() for record in caplog.records]
    assert any(re.fullmatch(rf"{number} is not ready yet: {waits}", line) for line in told)


@pytest.mark.parametrize("where", [" on one machine", ""], ids=["one process", "many"])
def test_engine_waits_for_machines_with_room_and_says_so(
    where, fleet, alone, ray_cluster, monkeypatch, caplog
):
    cores = ray_cluster.cluster_resources()["CPU"] - 0.25
    monkeypatch.setattr(engine_runner, "TELL_AFTER_S", 0.0)
    graph = tones()
    if where:
        monkeypatch.setattr(engine_runner, "place_engine", lambda *_: placed_on(cores))
    else:
        graph = tones(placement={"tone": {"device": "cpu", "resources": {"CPU": cores}}})
    group = ray_cluster.util.placement_group([{"CPU": 0.5}])
    ray_cluster.get(group.ready())

    def wait_for_room(fleet):
        engine = fleet.roster.add(graph)
        needs = re.compile(
            rf"engine \d+ is not ready yet: it needs {cores:g} CPU{where}, and [\d.]+ CPU are free "
            "in all: add machines, or use fewer engines"
        )
        with ThreadPoolExecutor(1) as threads:
            starting = threads.submit(asyncio.run, fleet.roster.start(engine))
            wait(fleet, lambda: caplog.records)
            asyncio.run(fleet.roster.remove(engine))
            with pytest.raises(EngineLost, match="was closed before it was ready"):
                starting.result(fleet.patience_s)
        (told,) = [record.getMessage() for record in caplog.records]
        assert needs.fullmatch(told)

    try:
        assert playing(fleet, alone, wait_for_room) == [STREAMS // 2, STREAMS // 2]
    finally:
        ray_cluster.util.remove_placement_group(group)


def test_stages_of_an_engine_wait_for_machines_as_long_as_the_engine(monkeypatch):
    monkeypatch.setattr(ray_runner, "RayRunner", lambda graph, settings: settings)
    setup = EngineSetup(tones(), False, 1, {}, engine_runner.READY_WITHIN_S)
    assert engine_actor._opened(setup).placement_timeout_s == 600


def test_engine_that_is_closed_does_not_wait_for_a_process_to_end(fleet, monkeypatch):
    """A call of Ray after its shutdown would end this process."""
    runner, closing = fleet.engines[0].runner, threading.Event()
    closing.set()
    monkeypatch.setattr(engine_runner, "_kill", lambda process: None)
    monkeypatch.setattr(runner, "_closing", closing)
    monkeypatch.setattr(engine_runner.ray, "wait", lambda *_, **__: pytest.fail("it waits"))
    runner._end_process()


def test_engine_that_has_a_process_waits_for_no_machine(fleet, monkeypatch):
    """It holds what it needs, of which nothing may be left free."""
    runner = fleet.engines[0].runner
    monkeypatch.setattr(runner, "_place", placed_on(1e6))
    assert runner._needs().startswith("its process starts, or loads weights")
