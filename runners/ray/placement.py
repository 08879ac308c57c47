"""From `[placement]` to where Ray puts each replica: bundles of resources, and actor options."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import floor
from typing import Any

import ray
from ray.util.placement_group import PlacementGroup, placement_group, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from soundstage.graph.plan import Node
from soundstage.graph.problem import PipelineError, Problem
from soundstage.graph.spec import PlacementSpec

NODE_LABEL = "soundstage-node"
# Ray counts resources in ten thousandths.
_GRAIN = 10_000


@dataclass
class Bundle:
    """Resources that Ray sets aside on one machine.

    Attributes:
        resources: how much of what, by Ray's names.
        labels: what the machine must be labelled with.
        users: the stages whose replicas share the bundle, one entry a replica.
    """

    resources: dict[str, float]
    labels: dict[str, str]
    users: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Seat:
    """Where one replica goes.

    Attributes:
        stage: whose replica.
        replica: which one, from 0; spares are counted behind those that are asked.
        platform: "cpu", "gpu" or "tpu": the device that it looks for in its process.
        bundle: index of its bundle; None = anywhere, it takes nothing that is counted.
        gpus: its own share of the bundle's GPU; None = an equal share of what others leave.
    """

    stage: str
    replica: int
    platform: str
    bundle: int | None
    gpus: float | None


@dataclass(frozen=True)
class Seating:
    """Every replica's seat, and the bundles that must be had for it."""

    seats: tuple[Seat, ...]
    bundles: tuple[Bundle, ...]


def seat(nodes: Iterable[Node], has_gpu: bool) -> Seating:
    """Deals bundles to replicas; nothing is asked of Ray yet.

    Stages that name the same GPU ("gpu:1", on machines of the same label) share one bundle with
    one GPU; every replica and every spare of a bare "gpu" gets a bundle of its own. "auto" is
    "gpu:0" where the cluster has a GPU, else "cpu", as it is in-process.

    Args:
        nodes: the stages.
        has_gpu: whether the cluster has any.
    """
    seats: list[Seat] = []
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
            seats.append(Seat(node.name, replica, platform, index, placement.gpus))
    return Seating(tuple(seats), tuple(bundles))


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
        # What two stages need of the same machine is set aside for both.
        for name, amount in custom.items():
            have = bundles[index].resources
            have[name] = have.get(name, 0.0) + amount
        return index
    labels = {NODE_LABEL: placement.node} if placement.node else {}
    resources = dict(custom)
    if platform == "gpu":
        resources["GPU"] = 1.0 if ":" in device else float(placement.gpus or 1)
    if platform == "tpu":
        resources["TPU"] = float(placement.chips or 1)
    if labels and not resources:
        # A bundle must hold something; this little keeps no other from its place.
        resources["CPU"] = 0.001
    if not resources:
        return None
    bundles.append(Bundle(resources, labels))
    if ":" in device:
        shared[key] = len(bundles) - 1
    return len(bundles) - 1


def reserve(seating: Seating, timeout_s: float) -> PlacementGroup | None:
    """Has Ray set the bundles aside; None if there are none.

    Raises:
        PipelineError: the cluster cannot hold them; one problem for every bundle that fits
            nowhere, or one for all if they do not fit together.
    """
    if not seating.bundles:
        return None
    labelled = any(bundle.labels for bundle in seating.bundles)
    group = placement_group(
        [bundle.resources for bundle in seating.bundles],
        strategy="PACK",
        bundle_label_selector=[bundle.labels for bundle in seating.bundles] if labelled else None,
    )
    if group.wait(timeout_seconds=timeout_s):
        return group
    remove_placement_group(group)
    raise PipelineError(_misfits(seating.bundles, ray.nodes(), timeout_s))


def actor_options(seat: Seat, seating: Seating, group: PlacementGroup | None) -> dict[str, Any]:
    """What Ray is told when a replica's actor is made.

    An actor without a GPU must not see one: JAX would take three quarters of its memory.
    """
    options: dict[str, Any] = {
        "num_cpus": 0,
        "max_restarts": -1,
        # The driver asks again itself: Ray prints a line for everyone that it retries.
        "max_task_retries": 0,
        "runtime_env": {"env_vars": _environment(seat, seating)},
    }
    if seat.bundle is None or group is None:
        return options
    bundle = seating.bundles[seat.bundle]
    options["scheduling_strategy"] = PlacementGroupSchedulingStrategy(
        group, placement_group_bundle_index=seat.bundle
    )
    if seat.platform == "gpu":
        options["num_gpus"] = _share(seat, seating)
    custom = {
        name: amount / len(bundle.users)
        for name, amount in bundle.resources.items()
        if name not in ("CPU", "GPU")
    }
    if custom:
        options["resources"] = custom
    return options


def _share(seat: Seat, seating: Seating) -> float:
    """The part of its bundle's GPU that a replica takes."""
    assert seat.bundle is not None
    bundle = seating.bundles[seat.bundle]
    if seat.gpus is not None:
        return float(seat.gpus)
    sharing = [other for other in seating.seats if other.bundle == seat.bundle]
    taken = sum(other.gpus for other in sharing if other.gpus is not None)
    without = sum(other.gpus is None for other in sharing)
    left = bundle.resources["GPU"] - taken
    return max(1, floor(_GRAIN * left / without + 1e-6)) / _GRAIN


def _environment(seat: Seat, seating: Seating) -> dict[str, str]:
    # A stage of the user's own is found where this process found it.
    variables = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    if seat.platform == "cpu":
        variables |= {"JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": ""}
    if seat.platform == "gpu" and (share := _share(seat, seating)) < 1:
        variables["XLA_PYTHON_CLIENT_MEM_FRACTION"] = f"{0.9 * share:.3f}"
    return variables


def _misfits(
    bundles: Sequence[Bundle], nodes: Sequence[Mapping[str, Any]], timeout_s: float
) -> list[Problem]:
    """Why the bundles could not be had."""
    alive = [node for node in nodes if node["Alive"]]
    problems = []
    for bundle in bundles:
        if any(_holds(node, bundle) for node in alive):
            continue
        stages = ", ".join(dict.fromkeys(bundle.users))
        cure = "place it elsewhere with --place, or start a machine that has it"
        what = f"no machine of the cluster has {_spelled(bundle)}"
        problems.append(Problem(f"placement of {stages}", what, cure))
    if problems:
        return problems
    wanted: dict[str, float] = {}
    for bundle in bundles:
        for name, amount in bundle.resources.items():
            wanted[name] = wanted.get(name, 0.0) + amount
    free = ray.available_resources()
    short = [f"{amount:g} {name} ({free.get(name, 0):g} free)" for name, amount in wanted.items()]
    what = f"not to be had within {timeout_s:g} s: {', '.join(short)} in all"
    return [Problem("placement", what, "use fewer replicas, or wait until others are done")]


def _holds(node: Mapping[str, Any], bundle: Bundle) -> bool:
    labels = node.get("Labels") or {}
    return all(labels.get(name) == value for name, value in bundle.labels.items()) and all(
        node["Resources"].get(name, 0) >= amount for name, amount in bundle.resources.items()
    )


def _spelled(bundle: Bundle) -> str:
    parts = [f"{amount:g} {name}" for name, amount in bundle.resources.items() if amount >= 0.01]
    parts += [f"the label {name}={value}" for name, value in bundle.labels.items()]
    return " and ".join(parts)
