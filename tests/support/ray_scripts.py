"""Programs for tests that need a process or a cluster of their own: `ray_scripts.py NAME`.

They import modules beside them: `PYTHONPATH` names the folders.
"""

import os
import sys
import time
from pathlib import Path

from running_graphs import SELF_LOOP, graph

import soundstage
from soundstage.runners.ray.connection import without_extra_processes
from soundstage.runners.sessions.session import Session

# Two stages with a feedback edge: each process of a stage costs seconds to start.
STAGES = {**SELF_LOOP, "last": ("Add", {}, {"a": "count.sum", "b": "in.step"})}


def counting(placement=None):
    """Returns the graph of `STAGES`; its output `n` is 2, 3, 4, ..."""
    return graph(STAGES, {"n": "last.sum"}, {"step": 1}, placement)


def orphan():
    """Prints the process ids of a runner's actors, and generates until it is killed."""
    from soundstage.runners.ray.ray_runner import RayRunner

    with RayRunner(counting()) as runner:
        print(*[pid for pids in runner.process_ids().values() for pid in pids], flush=True)
        for _ in Session(runner, lookahead=2):
            time.sleep(0.1)


class Probe:
    """An actor that tells which devices its process sees."""

    def __init__(self, settings):
        settings.apply()

    def see(self):
        return os.environ.get("CUDA_VISIBLE_DEVICES"), os.environ.get("JAX_PLATFORMS")


@without_extra_processes()
def fake_gpus():
    """Checks the GPUs that each actor sees, in a cluster that claims two GPUs."""

    import ray
    from ray.util.placement_group import remove_placement_group

    from soundstage.graph.check import build
    from soundstage.graph.problem import PipelineError
    from soundstage.graph.spec import parse
    from soundstage.runners.ray.placement import (
        actor_options,
        plan_slots,
        process_settings,
        reserve,
    )
    from soundstage.runners.ray.ray_runner import RayRunner

    ray.init(address="local", num_gpus=2, include_dashboard=False, log_to_driver=False)
    spec = soundstage.load("toy").spec.as_dict()
    spec["placement"] = {
        "default": "cpu",
        "sample": {"device": "gpu", "replicas": 1},
        "decode": "gpu:1",
        "crossfade": "gpu:1",
    }
    plan = plan_slots(build(parse(spec)).nodes.values(), has_gpu=True)
    group = reserve(plan, timeout_s=30)

    seen = {}
    for slot in plan.slots:
        probe = ray.remote(Probe).options(**actor_options(slot, plan, group))
        probe = probe.remote(process_settings(slot, plan))
        seen[slot.stage] = ray.get(probe.see.remote())
    gpus = {seen[name][0] for name in ("sample", "decode")}
    assert gpus == {"0", "1"}, seen
    assert seen["crossfade"] == seen["decode"], seen
    assert all(seen[name] == ("", "cpu") for name in ("embed", "pack", "remember")), seen
    print("each actor sees its own GPU")
    remove_placement_group(group)
    try:
        RayRunner(counting({"default": "cpu", "last": "auto"}))
    except PipelineError as error:
        print(error)


def loopback():
    """Checks the addresses on which the processes of a new cluster listen."""

    from ray._private import worker

    from soundstage.runners.ray.connection import cluster

    def sockets():
        pids = {}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                status = Path(f"/proc/{pid}/environ").read_bytes()
                links = [os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir()]
            except OSError:
                continue  # the process has ended, or is another user's
            if b"SOUNDSTAGE_LOOPBACK=1" in status:
                pids |= {link.strip("socket:[]"): pid for link in links if "socket" in link}
        return pids

    os.environ["SOUNDSTAGE_LOOPBACK"] = "1"
    with cluster():
        mine = sockets()
        tables = [Path(f"/proc/net/{table}").read_text() for table in ("tcp", "tcp6")]
        started = set(worker.global_worker.node.all_processes)
    lines = [line.split() for table in tables for line in table.splitlines()]
    addresses = {line[1].partition(":")[0] for line in lines if line[3] == "0A" and line[9] in mine}
    # 127.0.0.1 in the kernel's notation, as IPv4 and as IPv6.
    assert addresses, "no listening socket was found"
    assert addresses <= {"0100007F", "0000000000000000FFFF00000100007F"}, addresses
    assert {"gcs_server", "raylet"} <= started, started
    assert not started & {"monitor", "log_monitor", "dashboard"}, started
    print("only loopback addresses are open, and nothing runs that nobody asks")


def misfits():
    """Prints the error for a placement that no machine of the cluster can hold."""
    from soundstage.graph.problem import PipelineError
    from soundstage.runners.ray.ray_runner import RayRunner, RaySettings

    placed = ["sample={ device = 'gpu', replicas = 3 }", "decode={ device='cpu', node='studio' }"]
    graph = soundstage.load("toy", placements=placed)
    try:
        RayRunner(graph, RaySettings(placement_timeout_s=3))
    except PipelineError as error:
        print(error)


if __name__ == "__main__":
    globals()[sys.argv[1]]()
