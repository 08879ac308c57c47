"""Making the actors and building their stages, and what is wrong where one cannot be built."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import ray
from ray import cloudpickle
from ray.exceptions import RayError, RayTaskError
from ray.util.placement_group import PlacementGroup

from soundstage.graph.plan import Graph
from soundstage.graph.problem import PipelineError
from soundstage.runners.devices import NoDevice
from soundstage.runners.ray.actor import SHORT_CALLS, StageActor
from soundstage.runners.ray.placement import (
    Slot,
    SlotPlan,
    actor_options,
    process_settings,
    unusable_device,
)
from soundstage.runners.ray.pool import ActorPool, Reference
from soundstage.runners.runner import StageFailed
from soundstage.runners.spans import now_s
from soundstage.runners.wiring import Wiring

# Digest and note of a stage's weights; None = it has none.
Weights: TypeAlias = "dict[str, str] | None"


def make_actor(
    graph: Graph, slot: Slot, plan: SlotPlan, group: PlacementGroup | None, remembered: int
) -> Any:
    """Starts the process of a replica.

    Args:
        graph: the graph.
        slot: the replica.
        plan: has the slot.
        group: what is reserved for the plan's bundles.
        remembered: the number of answers that a stage keeps if only controls feed it.
    """
    remote: Any = ray.remote  # its types lack concurrency groups
    actor = remote(concurrency_groups={SHORT_CALLS: 1})(StageActor)
    wiring = cloudpickle.dumps(Wiring.of(graph, graph.nodes[slot.stage]))
    return actor.options(**actor_options(slot, plan, group)).remote(
        process_settings(slot, plan), wiring, graph.format, slot.platform, slot.replica, remembered
    )


def build_stages(pools: Mapping[str, ActorPool], timeout_s: float) -> dict[str, dict[str, str]]:
    """Builds every replica; the first that fails ends the wait for the others.

    Args:
        pools: the actors of every stage, by the stage's name.
        timeout_s: the longest time that all may take.

    Returns:
        Digest and note of the weights of every stage that has weights, by stage.

    Raises:
        PipelineError: JAX cannot use a device that the cluster has.
        StageFailed: a replica was not built in time, its process did not start, or replicas of a
            stage have different weights.
        Exception: any error of a stage's constructor.
    """
    replies: dict[Reference, str] = {
        actor.build.remote(): name for name, pool in pools.items() for actor in pool.actors
    }
    built: dict[str, list[Weights]] = {name: [] for name in pools}
    waiting, deadline_s = list(replies), now_s() + timeout_s
    while waiting:
        ready, waiting = ray.wait(waiting, timeout=max(0.0, deadline_s - now_s()))
        if not ready:
            raise StageFailed(replies[waiting[0]], (0,), f"was not built within {timeout_s:g} s")
        name = replies[ready[0]]
        built[name].append(_weights(name, ready[0]))
    by_stage = {}
    for name, weights in built.items():
        if any(other != weights[0] for other in weights):
            raise StageFailed(name, (0,), f"its replicas have different weights: {weights}")
        if weights[0] is not None:
            by_stage[name] = weights[0]
    return by_stage


def _weights(stage: str, reply: Reference) -> Weights:
    try:
        [weights] = ray.get([reply])
    except RayTaskError as error:
        cause = error.cause
        if isinstance(cause, NoDevice):
            raise PipelineError([unusable_device(stage, cause)]) from error
        if isinstance(cause, Exception):
            raise cause from error
        raise RuntimeError(last_line(error)) from error
    except RayError as error:
        reason = f"its process did not start: {last_line(error)}"
        raise StageFailed(stage, (0,), reason) from error
    return weights


def last_line(error: BaseException) -> str:
    """Returns the last line of a message: Ray's messages are tracebacks, which end in the error."""
    return (str(error) or type(error).__name__).strip().splitlines()[-1]
