"""A program that loses machines of a Ray cluster: `machine_scripts.py`.

It imports modules beside it: `PYTHONPATH` names the folders. It prints a line for each thing that
went on as it should.
"""

import asyncio
import os
import signal
from dataclasses import replace
from itertools import islice
from pathlib import Path
from unittest import mock

from engines import Alone, read, sha_of, until
from ray.cluster_utils import Cluster
from ray_scripts import counting
from tone_graphs import tones

from soundstage.runners.choice import RunnerChoice
from soundstage.runners.fleet.fleet import Fleet
from soundstage.runners.ray import engine_runner
from soundstage.runners.ray.connection import without_extra_processes
from soundstage.runners.ray.ray_runner import RayRunner, RaySettings
from soundstage.runners.sessions.session import Session

# Ray's head is to notice within a second or so that a machine is gone, not within 15 s.
SOON = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 300,
    "health_check_timeout_ms": 3000,
    "health_check_failure_threshold": 2,
}
TAPE = {"num_cpus": 1, "num_gpus": 0, "resources": {"tape": 1}}
STREAMS = 8


def children(process):
    """Returns the processes that one has started, but for Ray's own, which tell of its end."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        pid = int(stat.parent.name)
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            engine = b"ray::" in (stat.parent / "cmdline").read_bytes()
        except OSError:
            continue  # it has ended
        if parent == process and engine:
            found.append(pid)
    return found


def kill(machine):
    """Kills a machine of the cluster: its raylet and all its engines."""
    raylet = machine.all_processes["raylet"][0].process.pid
    for process in (raylet, *children(raylet)):
        os.kill(process, signal.SIGKILL)


def lose_a_machine_of_stages(cluster):
    node = cluster.add_node(**TAPE)
    placed = counting({"last": {"device": "cpu", "resources": {"tape": 1}}})
    with RayRunner(placed, RaySettings(cluster.address, stage_timeout_s=120)) as runner:
        session = Session(runner, lookahead=3)
        chunks = list(islice(session, 6))
        cluster.add_node(**TAPE)
        cluster.remove_node(node, allow_graceful=False)
        chunks += islice(session, 6)
        assert [int(chunk.outputs["n"][0]) for chunk in chunks] == list(range(2, 14))
    print("the music continued")


async def start_a_tied_engine(fleet):
    """Adds an engine that needs a tape."""
    place = engine_runner.place_engine(fleet.graph, False)
    tied = replace(place, options={**place.options, "resources": {"tape": 0.1}})
    with mock.patch.object(engine_runner, "place_engine", return_value=tied):
        await fleet.roster.start(fleet.roster.add(fleet.graph))


async def play_while_a_machine_dies(cluster, fleet):
    """Plays 8 streams on three engines, kills a machine of two; returns the streams' chunks."""
    (machine,) = cluster.worker_nodes
    await start_a_tied_engine(fleet)
    *others, tied = fleet.engines
    there = [one for one in others if one.runner.machine == machine.node_id]
    assert tied.runner.machine == machine.node_id
    assert len(there) == 1, "the engines are on one machine"
    streams = [await fleet.join({"step": step + 1}, pace="fast") for step in range(STREAMS)]
    for stream in streams:
        await stream.play()
    chunks = await asyncio.gather(*(read(stream, 3) for stream in streams))
    kill(machine)
    rest = await asyncio.gather(*(read(stream, 3) for stream in streams))
    await until(lambda: not tied.ready and there[0].losses and there[0].ready)
    assert [one.runner.machine != machine.node_id for one in others] == [True, True]
    assert not tied.ready
    new = cluster.add_node(**TAPE)
    await until(lambda: tied.ready)
    assert tied.runner.machine == new.node_id
    end = await asyncio.gather(*(read(stream, 3) for stream in streams))
    return [first + second + third for first, second, third in zip(chunks, rest, end, strict=True)]


def lose_a_machine_of_engines(cluster):
    """One of its engines is content with another machine, one waits for another with a tape."""
    choice = RunnerChoice("ray", address=cluster.address)
    fleet = Fleet(tones(), engines=2, rows=16, runner=choice, patience_s=5.0)

    async def run():
        await fleet.start()
        await until(lambda: all(engine.ready for engine in fleet.engines))
        chunks = await play_while_a_machine_dies(cluster, fleet)
        await fleet.close()
        return chunks

    alone = Alone(tones())
    with alone.runner:
        for step, chunks in enumerate(asyncio.run(run())):
            assert sha_of(chunks) == alone.sha({"step": step + 1}, (len(chunks), {}))
    print("all streams went on to the same bytes")


if __name__ == "__main__":
    head = {"num_cpus": 1, "num_gpus": 0, "include_dashboard": False, "_system_config": SOON}
    with without_extra_processes():
        of_two = Cluster(initialize_head=True, head_node_args=head)
        lose_a_machine_of_stages(of_two)
        lose_a_machine_of_engines(of_two)
        of_two.shutdown()
