"""Finds the JAX devices of a placement."""

from __future__ import annotations

from typing import TYPE_CHECKING

from soundstage.errors import Error
from soundstage.graph.declaration import uses_device
from soundstage.graph.problem import Problem
from soundstage.runners.lifetime import check_not_forked

if TYPE_CHECKING:
    import jax

    from soundstage.graph.plan import Graph, Node
    from soundstage.graph.spec import PlacementSpec


class NoDevice(Error, ValueError):
    """This machine does not have the device."""

    exit_code = 4


def find_device(written: str) -> jax.Device:
    """Returns the device for "auto", "cpu", "cpu:1", "gpu:0", ...

    "auto" is the first accelerator, else the CPU; a bare platform is its device 0.

    Raises:
        NoDevice: this machine does not have the device.
        ForkedProcess: this process was forked from one with JAX.
    """
    check_not_forked()
    import jax

    if written == "auto":
        return jax.devices()[0]
    platform, _, index = written.partition(":")
    try:
        devices = jax.devices(platform)
    except RuntimeError as error:
        raise NoDevice(f"this machine has no {platform}") from error
    if int(index or 0) >= len(devices):
        raise NoDevice(f"this machine has {len(devices)} {platform} device(s), counted from 0")
    return devices[int(index or 0)]


def find_devices(placement: PlacementSpec) -> list[jax.Device]:
    """Returns a device of this machine for every replica of a stage.

    Replicas of a bare platform get its devices in turn, from device 0, and share devices if there
    are fewer; replicas of "auto" get the first accelerators.

    Raises:
        NoDevice: this machine does not have the device.
    """
    import jax

    first = find_device(placement.device)
    if placement.replicas == 1:
        return [first]
    devices = jax.devices(first.platform)
    return [devices[replica % len(devices)] for replica in range(placement.replicas)]


def needs_device(node: Node) -> bool:
    """Whether a stage is built with a device of JAX: it computes with JAX, or is placed on one."""
    return uses_device(node.cls) or node.placement.device not in ("auto", "cpu")


def count_devices(platform: str) -> int:
    """Returns the number of devices of this machine that JAX can use: "gpu", "tpu" or "cpu"."""
    import jax

    try:
        return len(jax.devices(platform))
    except RuntimeError:
        return 0


def check_devices(graph: Graph) -> list[Problem]:
    """Returns a problem for every stage whose device this machine does not have."""
    problems = []
    for node in filter(needs_device, graph.nodes.values()):
        try:
            find_devices(node.placement)
        except NoDevice as error:
            cure = f"use another with --place {node.name}=auto"
            problems.append(
                Problem(f"placement.{node.name}", f"{node.placement.device!r}: {error}", cure)
            )
    return problems
