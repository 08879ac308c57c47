"""A cluster that grows and shrinks with its listeners, by Ray's autoscaler: an engine a machine.

It runs only in namespaces of its own, which `growing.sh` makes: Ray's tools for clusters on one
machine may end every process of Ray that they see.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import ray
from clients.served_clients import BenchmarkClient, ClientCounts, ServerProcess, running

HERE = Path(__file__).parent
ADDRESS = "10.9.8.7:6379"  # of `growing.sh`
# Rates of a listener's arrival, and how long all stay.
JOIN_EVERY_S, STAY_S = 10.0, 30.0
IDLE_MINUTES, SEEN_WITHIN_S = 0.1, 600.0
MACHINE = {"CPU": 1, "GPU": 1}
# Kinds of commands that Ray's configuration has to name.
COMMANDS = (
    "initialization",
    "setup",
    "head_setup",
    "worker_setup",
    "head_start_ray",
    "worker_start_ray",
)


class PatientClient(BenchmarkClient):
    """A client that asks again when it was told to, and prints how long that took."""

    def __init__(self, address: str, number: int, counts: ClientCounts, log: "Log") -> None:
        super().__init__(address, number, counts)
        self._log, self._refused_s = log, 0.0

    def controls(self) -> dict[str, int]:
        """Returns its step, by which its audio is told apart."""
        return {"step": self._number + 1}

    def waits(self, retry_after_s: float) -> bool:
        """Asks again."""
        self._refused_s = self._refused_s or time.monotonic()
        self._log.line(f"listener {self._number} is refused; again in {retry_after_s:g} s")
        return True

    def hear(self, message: bytes) -> None:
        """Prints how long it has waited, with its first chunk."""
        if self._refused_s:
            waited_s = time.monotonic() - self._refused_s
            self._log.line(f"listener {self._number} plays, {waited_s:.0f} s after it was refused")
            self._refused_s = 0.0


class Log:
    """Prints what changes, with the seconds since the start."""

    def __init__(self, front: ServerProcess) -> None:
        self._front, self._start_s, self._seen = front, time.monotonic(), ""
        self.machines = self.engines = 0

    def line(self, text: str) -> None:
        """Prints one event."""
        print(f"{time.monotonic() - self._start_s:6.1f} s  {text}", flush=True)

    def look(self) -> None:
        """Prints the numbers of machines, engines and streams, if they have changed."""
        metrics = self._front.metrics()
        self.machines = sum(node["Alive"] for node in ray.nodes())
        self.engines = round(metrics["engines"])
        ready, playing = metrics["engines_ready"], metrics["streams_playing"]
        seen = f"machines {self.machines}, engines {self.engines}, ready {ready:.0f}; "
        seen += f"streams that play {playing:.0f}"
        if seen != self._seen:
            self.line(seen)
        self._seen = seen

    async def until(self, condition) -> None:
        """Looks twice a second until something is so.

        Raises:
            TimeoutError: it is not in time.
        """
        async with asyncio.timeout(SEEN_WITHIN_S):
            while True:
                await asyncio.to_thread(self.look)
                if condition():
                    return
                await asyncio.sleep(0.5)


@contextmanager
def growing_cluster(most: int):
    """Starts Ray's head with its autoscaler: a machine that has room for one engine, and others."""
    kinds = {
        "ray.head.default": {"resources": MACHINE, "node_config": {}, "max_workers": 0},
        "engines": {"resources": MACHINE, "node_config": {}, "max_workers": most - 1},
    }
    config = {
        "cluster_name": "growing",
        "provider": {
            "type": "fake_multinode",
            "gcs_address": ADDRESS,
            "use_node_id_as_ip": True,
            "disable_node_updaters": True,
            "disable_launch_config_check": True,
        },
        "available_node_types": kinds,
        "head_node_type": "ray.head.default",
        "max_workers": most - 1,
        "idle_timeout_minutes": IDLE_MINUTES,
        **{name: {} for name in ("auth", "docker", "file_mounts")},
        "cluster_synced_files": [],
        **{f"{name}_commands": [] for name in COMMANDS},
    }
    path = Path("growing.json").absolute()
    path.write_text(json.dumps(config))
    words = "ray start --head --port=6379 --num-cpus=1 --num-gpus=1 --include-dashboard=false"
    words += f" --disable-usage-stats --block --autoscaling-config={path}"
    options = {"RAY_FAKE_CLUSTER": "1", "AUTOSCALER_UPDATE_INTERVAL_S": "1"}
    with open("growing.log", "wb") as log:
        process = subprocess.Popen(words.split(), stdout=log, env={**os.environ, **options})
        try:
            while b"runtime started" not in Path("growing.log").read_bytes():
                if process.poll() is not None:
                    raise SystemExit("Ray did not start: growing.log says why")
                time.sleep(0.5)
            yield
        finally:
            process.terminate()
            process.wait()


async def listen(front: ServerProcess, log: Log, most: int) -> ClientCounts:
    """Lets listeners come until the cluster has its most machines, and then leave."""
    counts, stop, tasks = ClientCounts(), asyncio.Event(), []
    first = asyncio.Event()
    while log.machines < most or log.engines < most:
        client = PatientClient(front.socket_address, len(tasks), counts, log)
        tasks.append(asyncio.create_task(client.play(stop if tasks else first)))
        with_time = time.monotonic() + JOIN_EVERY_S
        await log.until(lambda end_s=with_time: time.monotonic() >= end_s)
    await log.until(lambda: front.metrics()["engines_ready"] >= most)
    await asyncio.sleep(STAY_S)
    log.line("all listeners but one leave")
    stop.set()
    await log.until(lambda: log.machines == 1 and log.engines == 1)
    first.set()
    await asyncio.gather(*tasks)
    return counts


def grow(args: argparse.Namespace) -> None:
    """Serves 1 to some engines on a cluster that grows, and prints what happens."""
    if os.getpid() != 1 and os.getppid() != 1:
        raise SystemExit("run benchmarks/fleets/growing.sh, which gives it namespaces of its own")
    most = args.engines[0]
    sizes = [str(number) for number in (most, 1, 16)]
    command = [sys.executable, str(HERE / "front.py"), "PORT", *sizes, str(args.seconds)]
    with ExitStack() as opened:
        opened.enter_context(growing_cluster(most))
        command += [str(args.chunk_s), ADDRESS]
        front = opened.enter_context(running(command))
        ray.init(ADDRESS, log_to_driver=False, logging_level="ERROR")
        opened.callback(ray.shutdown)
        counts = asyncio.run(listen(front, Log(front), most))
    print(f"{counts.late} of {len(counts.slacks_s)} chunks late, least slack ", end="")
    print(f"{min(counts.slacks_s):.2f} s; wrong, missing: {len(counts.errors)} {counts.errors[:3]}")
