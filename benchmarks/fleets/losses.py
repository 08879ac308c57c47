"""Engines, their stages and machines, killed, stopped and drained at random while streams play."""

import argparse
import asyncio
import os
import random
import signal
import time
from contextlib import contextmanager, suppress
from pathlib import Path

from ray.cluster_utils import Cluster

from fleets.playing import RAY, join_all, listen, started
from fleets.sleeping import sleeping
from soundstage.runners.choice import RunnerChoice
from soundstage.runners.engine.counts import median_of
from soundstage.runners.fleet import keeper
from soundstage.runners.fleet.fleet import Fleet
from soundstage.runners.ray.connection import without_extra_processes

# Ray's head is to notice within a second or so that a machine is gone, not within 15 s.
SOON = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 300,
    "health_check_timeout_ms": 3000,
    "health_check_failure_threshold": 2,
}
KINDS = (signal.SIGKILL, signal.SIGSTOP)


class EngineVictims:
    """Engines, of which one at a time is killed, stopped or drained."""

    def __init__(self, draw: random.Random) -> None:
        self._draw = draw

    def harm(self, fleet: Fleet) -> bool:
        """Harms one of them, unless it is the last: streams would wait for its return.

        Returns:
            Whether it did.
        """
        ready = [engine for engine in fleet.engines if engine.ready]
        if len(ready) < 2:
            return False
        engine, how = self._draw.choice(ready), self._draw.choice([*KINDS, None])
        if how is not None:
            send([engine.runner.process], how)
            return True
        with fleet.places.lock:
            fleet.places.drain(engine)
        asyncio.get_running_loop().call_later(1.0, setattr, engine, "draining", False)
        return True


class StageVictims:
    """Processes of single stages, of which one at a time is killed or stopped."""

    def __init__(self, draw: random.Random) -> None:
        self._draw = draw

    def harm(self, fleet: Fleet) -> bool:
        """Harms one of them, unless only one engine is ready: streams would wait for its return.

        Returns:
            Whether it did.
        """
        if sum(engine.ready for engine in fleet.engines) < 2:
            return False
        process = self._draw.choice([one for one in descendants(os.getpid()) if is_stage(one)])
        send([process], self._draw.choice(KINDS))
        return True


class MachineVictims:
    """Machines of a cluster, of which one at a time is killed or stopped, and replaced.

    Each is a node of Ray on this machine: a raylet and its workers. The head has no engines.
    """

    def __init__(self, draw: random.Random, cluster: Cluster) -> None:
        self._draw, self._cluster = draw, cluster
        self._stopped: list[int] = []

    def harm(self, fleet: Fleet) -> bool:
        """Harms one that has a ready engine; without another engine, streams wait for its return.

        Returns:
            Whether it did.
        """
        ready = {engine.runner.machine for engine in fleet.engines if engine.ready}
        there = [node for node in self._cluster.worker_nodes if node.node_id in ready]
        if not there:
            return False
        self.end_stopped()
        machine = self._draw.choice(sorted(there, key=lambda node: node.node_id))
        raylet = machine.all_processes["raylet"][0].process.pid
        processes, how = [raylet, *descendants(raylet)], self._draw.choice(KINDS)
        send(processes, how)
        if how == signal.SIGSTOP:
            self._stopped = processes
        self._cluster.worker_nodes.remove(machine)
        self._cluster.add_node(num_cpus=1)
        return True

    def end_stopped(self) -> None:
        """Ends the processes of a machine that was stopped."""
        send(self._stopped, signal.SIGKILL)
        self._stopped = []


def send(processes: list[int], how: int) -> None:
    """Sends a signal to processes that may have ended."""
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, how)


def descendants(process: int) -> list[int]:
    """Returns the processes that one and its children have started."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    found = {process}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return sorted(found - {process})


def is_stage(process: int) -> bool:
    """Returns whether a process is that of one stage."""
    with suppress(OSError):
        return b"StageActor" in Path(f"/proc/{process}/cmdline").read_bytes()
    return False


@contextmanager
def victims_of(kind: str, draw: random.Random, machines: int):
    """Yields what is harmed, and the runner of a fleet that has it."""
    if kind != "machines":
        yield {"engines": EngineVictims, "stages": StageVictims}[kind](draw), RAY
        return
    head = {"num_cpus": 0, "include_dashboard": False, "_system_config": SOON}
    with without_extra_processes():
        cluster = Cluster(initialize_head=True, head_node_args=head)
    victims = MachineVictims(draw, cluster)
    try:
        with without_extra_processes():
            for _ in range(machines):
                cluster.add_node(num_cpus=1)
        yield victims, RunnerChoice("ray", cluster.address)
    finally:
        victims.end_stopped()
        cluster.shutdown()


async def play_while_harmed(fleet: Fleet, args: argparse.Namespace, victims, draw) -> None:
    """Plays streams, harms something a number of times, and prints what that did."""
    count, read, harms, waits_s = args.streams, 0, 0, []
    streams = await join_all(fleet, count)
    while harms < args.kills:
        harms += victims.harm(fleet)  # Ray adds machines on the main thread only
        start_s, chunks = time.monotonic(), draw.randint(1, 4)
        await asyncio.gather(*(listen(one, n + 1, read, chunks) for n, one in enumerate(streams)))
        waits_s.append((time.monotonic() - start_s) / chunks)
        read += chunks
        print(f"{harms}: {read} chunks a stream, moves {dict(fleet.places.moves)}", flush=True)
    losses = sum(engine.losses for engine in fleet.engines)
    print(f"\n{harms} times, {losses} engines lost; {count} streams, {count * read} chunks:")
    tick_s, worst_s = median_of(fleet.counts().ticks_s) or 0.0, max(waits_s)
    print(f"0 streams lost, 0 chunks wrong; a tick {tick_s:.2f} s, longest wait {worst_s:.2f} s")


def kills(args: argparse.Namespace) -> None:
    """Kills and stops engines, stages or machines at random while streams play."""
    keeper.GRACE_S = args.grace_s
    draw, engines = random.Random(args.seed), max(2, args.engines[0])
    # A stage with a resource is an actor of its own, and all stages of its engine are.
    placement = {"audio": {"device": "cpu", "resources": {"CPU": 0.01}}}
    placement = placement if args.kill == "stages" else {}
    graph = sleeping(args.seconds, args.chunk_s, placement=placement)

    async def run(victims, runner: RunnerChoice) -> None:
        fleet = await started(graph, engines, args.streams, runner)
        await play_while_harmed(fleet, args, victims, draw)
        await fleet.close()

    with victims_of(args.kill, draw, engines) as (victims, runner):
        asyncio.run(run(victims, runner))
