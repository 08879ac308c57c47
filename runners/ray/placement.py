"""Turns `[placement]` into Ray's terms: bundles of resources, and options of actors."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import floor
from typing import Any

import ray
from ray.util.placement_group import PlacementGroup, placement_group, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from soundstage.graph.plan import Graph, Node
from soundstage.graph.problem import PipelineError, Problem
from soundstage.graph.spec import PlacementSpec
from soundstage.runners.devices import count_devices
from soundstage.runners.ray.connection import cluster
from soundstage.runners.ray.process_settings import CPU_ONLY, ProcessSettings

NODE_LABEL = "soundstage-node"
# Ray counts resources in ten thousandths.
_GRAIN = 10_000
# What keeps nothing else from a machine; Ray spreads actors only if they take something.
_SLIVER = 0.001


@dataclass
class Bundle:
    """Resources that Ray reserves on one machine.

    Attributes:
        resources: amounts by Ray's names of resources.
        labels: the labels that the machine must have.
        users: the stages whose replicas share the bundle, one entry a replica.
    """

    resources: dict[str, float]
    labels: dict[str, str]
    users: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Slot:
    """The place of one replica in the cluster.

    Attributes:
        stage: the stage's name.
        replica: the number of the replica, from 0; spares have the numbers after the replicas.
        platform: "cpu", "gpu" or "tpu": the device that the replica uses in its process.
        bundle: index of its bundle; None = on any machine, with no reserved resources.
        gpus: its share of the bundle's GPU; None = an equal part of what explicit shares leave.
    """

    stage: str
    replica: int
    platform: str
    bundle: int | None
    gpus: float | None


@dataclass(frozen=True)
class SlotPlan:
    """The slots of all replicas, and the bundles that they need."""

    slots: tuple[Slot, ...]
    bundles: tuple[Bundle, ...]


def plan_slots(nodes: Iterable[Node], has_gpu: bool) -> SlotPlan:
    """Assigns bundles to replicas; reserves nothing.

    Stages that name the same GPU ("gpu:1", on machines of the same label) share one bundle with
    one GPU; every replica and every spare of a bare "gpu" gets its own bundle. "auto" is "gpu:0"
    if the cluster has a GPU, else "cpu", as in-process.

    Args:
        nodes: the stages.
        has_gpu: whether the cluster has a GPU.
    """
    slots: list[Slot] = []
    bundles: list[Bundle] = []
    shared: dict[tuple[str, str], int] = {}
    for node in nodes:
        placement = node.placement
        device = _resolved(placement, has_gpu)
        platform = device.partition(":")[0]
        for replica in range(placement.replicas + placement.spares):
            index = _bundle(placement, device, platform, bundles, shared)
            if index is not None:
                bundles[index].users.append(node.name)
            slots.append(Slot(node.name, replica, platform, index, placement.gpus))
    return SlotPlan(tuple(slots), tuple(bundles))


def _resolved(placement: PlacementSpec, has_gpu: bool) -> str:
    if placement.device != "auto":
        return placement.device
    if not has_gpu:
        return "cpu"
    return "gpu:0" if placement.replicas + placement.spares == 1 else "gpu"


def _bundle(
    placement: PlacementSpec,
    device: str,
    platform: str,
    bundles: list[Bundle],
    shared: dict[tuple[str, str], int],
) -> int | None:
    key = (device, placement.node)
    custom = {name: float(amount) for name, amount in placement.resources.items()}
    if ":" in device and platform != "cpu" and key in shared:
        index = shared[key]
        # The bundle holds the resources of all stages that share it.
        for name, amount in custom.items():
            resources = bundles[index].resources
            resources[name] = resources.get(name, 0.0) + amount
        return index
    labels = {NODE_LABEL: placement.node} if placement.node else {}
    resources = dict(custom)
    if platform == "gpu":
        resources["GPU"] = 1.0 if ":" in device else float(placement.gpus or 1)
    if platform == "tpu":
        resources["TPU"] = float(placement.chips or 1)
    if labels and not resources:
        resources["CPU"] = _SLIVER  # a bundle must have a resource
    if not resources:
        return None
    bundles.append(Bundle(resources, labels))
    if ":" in device:
        shared[key] = len(bundles) - 1
    return len(bundles) - 1


def reserve(plan: SlotPlan, timeout_s: float) -> PlacementGroup | None:
    """Reserves the bundles; returns None if there are none.

    Raises:
        PipelineError: the cluster lacks the resources: one problem for every bundle that fits on
            no machine, or one for all bundles if they do not fit together.
    """
    if not plan.bundles:
        return None
    labelled = any(bundle.labels for bundle in plan.bundles)
    group = placement_group(
        [bundle.resources for bundle in plan.bundles],
        strategy="PACK",
        bundle_label_selector=[bundle.labels for bundle in plan.bundles] if labelled else None,
    )
    if group.wait(timeout_seconds=timeout_s):
        return group
    remove_placement_group(group)
    raise PipelineError(_missing_resources(plan.bundles, ray.nodes(), timeout_s))


def unusable_device(stage: str, error: Exception) -> Problem:
    """Returns the problem of a stage whose machine has a device that JAX cannot use there.

    Ray counts the devices of a machine; whether JAX can use them depends on the installed jax.
    """
    what = f"Ray reserved a device for it, but JAX there cannot use it: {error}"
    cure = f"install a jax with support for it there, or use --place {stage}=cpu"
    return Problem(f"placement.{stage}", what, cure)


def actor_options(slot: Slot, plan: SlotPlan, group: PlacementGroup | None) -> dict[str, Any]:
    """Returns Ray's options for the actor of a replica."""
    options: dict[str, Any] = {
        "num_cpus": 0,
        "max_restarts": -1,
        # The driver repeats requests itself: Ray would print a line for every retry.
        "max_task_retries": 0,
    }
    if slot.bundle is None or group is None:
        return options
    bundle = plan.bundles[slot.bundle]
    options["scheduling_strategy"] = PlacementGroupSchedulingStrategy(
        group, placement_group_bundle_index=slot.bundle
    )
    if slot.platform == "gpu":
        options["num_gpus"] = _share(slot, plan)
    custom = {
        name: amount / len(bundle.users)
        for name, amount in bundle.resources.items()
        if name not in ("CPU", "GPU")
    }
    if custom:
        options["resources"] = custom
    return options


@dataclass(frozen=True)
class EnginePlace:
    """How an engine is placed in a cluster.

    Attributes:
        one_process: whether all its stages run in one process, with the devices of one machine.
        bundles: what that process takes of a machine, or its stages' processes of several.
        options: Ray's options for the actor of the engine.
        settings: what the engine's process sets before anything else.
    """

    one_process: bool
    bundles: tuple[Bundle, ...]
    options: dict[str, Any]
    settings: ProcessSettings


def place_engine(graph: Graph, has_gpu: bool) -> EnginePlace:
    """Plans the process of an engine; reserves nothing.

    The stages share the engine's process and the devices that Ray gives it, unless a stage names a
    machine, custom resources or TPU chips, or has spares: then each stage is an actor of its own.

    Args:
        graph: the graph of the engine.
        has_gpu: whether the cluster has a GPU.
    """
    nodes = list(graph.nodes.values())
    plan = plan_slots(nodes, has_gpu)
    placements = [node.placement for node in nodes]
    spread = any(one.node or one.resources or one.spares or one.chips for one in placements)
    spread = spread or any(slot.platform == "tpu" for slot in plan.slots)
    gpus = 0.0 if spread else sum(bundle.resources.get("GPU", 0.0) for bundle in plan.bundles)
    resources = {"GPU": gpus} if gpus else {"CPU": _SLIVER}
    options = {
        "num_cpus": resources.get("CPU", 0.0),
        "num_gpus": gpus,
        "max_restarts": -1,
        "max_task_retries": 0,
        "scheduling_strategy": "SPREAD",
    }
    bundle = Bundle(resources, {}, list(graph.nodes))
    settings = ProcessSettings.of_driver({} if gpus else CPU_ONLY)
    bundles = plan.bundles if spread and plan.bundles else (bundle,)
    return EnginePlace(not spread, bundles, options, settings)


def _share(slot: Slot, plan: SlotPlan) -> float:
    """Returns the part of its bundle's GPU that a replica takes."""
    assert slot.bundle is not None
    bundle = plan.bundles[slot.bundle]
    if slot.gpus is not None:
        return float(slot.gpus)
    sharing = [other for other in plan.slots if other.bundle == slot.bundle]
    taken = sum(other.gpus for other in sharing if other.gpus is not None)
    without = sum(other.gpus is None for other in sharing)
    left = bundle.resources["GPU"] - taken
    return max(1, floor(_GRAIN * left / without + 1e-6)) / _GRAIN


def process_settings(slot: Slot, plan: SlotPlan) -> ProcessSettings:
    """Returns what a replica's process sets before anything else.

    An actor without a GPU must not see one: JAX would allocate three quarters of its memory.
    """
    if slot.platform == "cpu":
        return ProcessSettings.of_driver(CPU_ONLY)
    if slot.platform == "gpu" and (share := _share(slot, plan)) < 1:
        return ProcessSettings.of_driver({"XLA_PYTHON_CLIENT_MEM_FRACTION": f"{0.9 * share:.3f}"})
    return ProcessSettings.of_driver({})


def _missing_resources(
    bundles: Sequence[Bundle], nodes: Sequence[Mapping[str, Any]], timeout_s: float
) -> list[Problem]:
    """Returns the reasons why the bundles cannot be reserved."""
    if problems := missing_machines(bundles, nodes):
        return problems
    needed, free = total(bundles), ray.available_resources()
    amounts = [f"{amount:g} {name} ({free.get(name, 0):g} free)" for name, amount in needed.items()]
    what = f"not available within {timeout_s:g} s: {', '.join(amounts)} in all"
    return [Problem("placement", what, "use fewer replicas, or wait for free resources")]


def missing_machines(
    bundles: Sequence[Bundle], nodes: Sequence[Mapping[str, Any]]
) -> list[Problem]:
    """Returns a problem for every bundle that no machine has, and one if they are too many.

    Args:
        bundles: what the stages need.
        nodes: the machines as `ray.nodes()` describes them; busy ones count as free.
    """
    alive = [node for node in nodes if node["Alive"]]
    problems = []
    for bundle in bundles:
        if any(_holds(node, bundle) for node in alive):
            continue
        stages = ", ".join(dict.fromkeys(bundle.users))
        cure = "place it elsewhere with --place, or add such a machine to the cluster"
        what = f"no machine of the cluster has {_spelled(bundle)}"
        problems.append(Problem(f"placement of {stages}", what, cure))
    if problems:
        return problems
    needed = total(bundles)
    there = _sum(node["Resources"] for node in alive)
    return [
        Problem(
            "placement",
            f"needs {amount:g} {name} in all, and the cluster has {there.get(name, 0):g}",
            "use fewer replicas, or place stages elsewhere with --place",
        )
        for name, amount in needed.items()
        if amount > there.get(name, 0)
    ]


def total(bundles: Iterable[Bundle]) -> dict[str, float]:
    """Returns the resources of bundles together."""
    return _sum(bundle.resources for bundle in bundles)


def _sum(amounts: Iterable[Mapping[str, float]]) -> dict[str, float]:
    together: dict[str, float] = {}
    for resources in amounts:
        for name, amount in resources.items():
            together[name] = together.get(name, 0.0) + amount
    return together


def check_cluster(nodes: Iterable[Node], address: str | None) -> list[Problem]:
    """Returns the problems of a placement on a cluster; reserves nothing.

    Args:
        nodes: the stages.
        address: a running cluster, "auto" or "host:port"; None = the one that this machine would
            start, with the devices that JAX can use here.

    Raises:
        ClusterError: there is no cluster at the address.
    """
    if address is None:
        machines = [_this_machine()]
    else:
        with cluster(address):
            machines = ray.nodes()
    alive = [machine for machine in machines if machine["Alive"]]
    has_gpu = any(machine["Resources"].get("GPU", 0) for machine in alive)
    return missing_machines(plan_slots(nodes, has_gpu).bundles, machines)


def _this_machine() -> dict[str, Any]:
    devices = {"GPU": count_devices("gpu"), "TPU": count_devices("tpu")}
    return {"Alive": True, "Resources": {"CPU": os.cpu_count() or 1, **devices}, "Labels": {}}


def _holds(node: Mapping[str, Any], bundle: Bundle) -> bool:
    labels = node.get("Labels") or {}
    return all(labels.get(name) == value for name, value in bundle.labels.items()) and all(
        node["Resources"].get(name, 0) >= amount for name, amount in bundle.resources.items()
    )


def _spelled(bundle: Bundle) -> str:
    amounts = bundle.resources.items()
    parts = [f"{amount:g} {name}" for name, amount in amounts if amount > _SLIVER]
    parts += [f"the label {name}={value}" for name, value in bundle.labels.items()]
    return " and ".join(parts) or "a processor"
