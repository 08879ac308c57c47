"""Checks of placements, by the file alone: no device is looked up."""

import re
from collections.abc import Iterator
from math import inf
from typing import TYPE_CHECKING

from soundstage.graph.problem import Problem

if TYPE_CHECKING:
    from soundstage.graph.spec import PlacementSpec

_DEVICE = re.compile(r"auto|(cpu|gpu|tpu)(:[0-9]{1,4})?")


def placement_problems(where: str, placement: "PlacementSpec") -> Iterator[Problem]:
    """Yields the problems of one stage's placement.

    Args:
        where: the key of the pipeline file, quoted in problems.
        placement: the value of that key.
    """
    device, platform = placement.device, placement.device.partition(":")[0]
    if not _DEVICE.fullmatch(device):
        cure = 'write "auto", "cpu", "gpu", "gpu:1" or "tpu:0"'
        yield Problem(where, f"{device!r} is not a device", cure)
        return
    if placement.replicas < 1:
        yield Problem(where, f"replicas = {placement.replicas}", "write 1 or more")
    if placement.spares < 0:
        yield Problem(where, f"spares = {placement.spares}", "write 0 or more")
    if placement.spares > 0 and ":" in device:
        cure = f'write "{platform}": each spare gets a device of its own'
        yield Problem(where, f"a spare cannot be on {device!r} as well", cure)
    if placement.replicas > 1 and ":" in device:
        cure = f'write "{platform}": each replica gets a device of its own'
        yield Problem(where, f"{placement.replicas} replicas cannot all be {device!r}", cure)
    if placement.gpus is not None:
        yield from _gpu_problems(where, platform, placement.gpus)
    if placement.chips is not None and (platform != "tpu" or placement.chips < 1):
        cure = 'chips = 1, 4, ... goes with device = "tpu"'
        yield Problem(where, f"chips = {placement.chips} on {device!r}", cure)
    for name, amount in placement.resources.items():
        if not 0 < amount < inf:
            yield Problem(where, f"resources.{name} = {amount}", "write a number above 0")


def _gpu_problems(where: str, platform: str, gpus: int | float) -> Iterator[Problem]:
    if platform != "gpu":
        yield Problem(where, f"gpus = {gpus} without a GPU", 'write device = "gpu", or drop it')
    elif not (0 < gpus <= 1):
        yield Problem(where, f"gpus = {gpus}", "write the share of one GPU, above 0 and at most 1")
