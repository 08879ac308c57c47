"""Plans placements: predicts the speed of a graph on some devices, and finds a fast placement.

The times of stages that share a device add up. A tick takes as long as the busiest device, or as
the heaviest feedback cycle if that is longer. Replicas split rows. All times are measured; a stage
is assumed to be as fast on another device as on the one where it ran.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import floor

from soundstage.graph.spec import PipelineSpec, PlacementSpec
from soundstage.runners.timing.critical_path import heaviest_cycle, longest_path
from soundstage.runners.timing.stage_times import Measured, seconds_for
from soundstage.runners.wiring import split

# Seconds; a faster stage stays on the CPU, as copies to a device take about as long.
LIGHT_S = 0.005
AUDIO = "audio"


@dataclass(frozen=True)
class Machines:
    """The available machines.

    Attributes:
        gpus: GPUs of each machine.
        cpus: stages that each machine's processor runs in parallel at full speed; 1 = a stage uses
            all cores, as XLA does.
        nodes: the number of machines.

    Raises:
        ValueError: a number is too small.
    """

    gpus: int = 0
    cpus: int = 1
    nodes: int = 1

    def __post_init__(self) -> None:
        if self.gpus < 0 or self.cpus < 1 or self.nodes < 1:
            raise ValueError(f"{self}: gpus must be at least 0, cpus and nodes at least 1")

    @property
    def all_gpus(self) -> int:
        """GPUs of all machines."""
        return self.gpus * self.nodes


@dataclass(frozen=True)
class Load:
    """The load of a device in one tick.

    Attributes:
        device: "cpu", "gpu:1", "gpu of sample, replica 1", "cpu of node 2", ...
        stages: the stages on the device.
        seconds: the time of the stages on the device; for the CPU, a lower bound.
    """

    device: str
    stages: tuple[str, ...]
    seconds: float


@dataclass(frozen=True)
class Prediction:
    """The predicted speed of a placement.

    Attributes:
        placement: the pipeline's `[placement]` table.
        rows: the number of streams in a batch.
        tick_s: seconds from one chunk to the next with `window` ticks in flight.
        busiest: the device with the greatest load.
        cycle_s: seconds a tick of the heaviest feedback cycle.
        cycle: the stages of that cycle.
        latency_s: seconds from a steer to the audio of its chunk, with no other tick in flight.
        path: the stages on the path to that audio.
        window: ticks in flight that `tick_s` needs.
        gpus: the number of GPUs.
    """

    placement: Mapping[str, str | PlacementSpec]
    rows: int
    tick_s: float
    busiest: Load
    cycle_s: float
    cycle: tuple[str, ...]
    latency_s: float
    path: tuple[str, ...]
    window: int
    gpus: int

    @property
    def limited_by_cycle(self) -> bool:
        """Whether more devices would only help by splitting rows."""
        return self.cycle_s > self.busiest.seconds


def predict(
    measured: Measured,
    placement: Mapping[str, str | PlacementSpec],
    machines: Machines,
    rows: int | None = None,
) -> Prediction:
    """Predicts the speed of a graph with a placement.

    Args:
        measured: the measured times of the stages.
        placement: as in a pipeline file; devices that `machines` lacks are assumed to exist.
        machines: the available machines; "auto" is a GPU if there is one.
        rows: the number of streams in a batch; None = the greatest number measured.
    """
    order = ["default", *measured.spec.stage]
    placement = {name: placement[name] for name in order if name in placement}
    spec = measured.spec.model_copy(update={"placement": placement})
    rows = measured.rows if rows is None else rows
    steady, steered = {}, {}
    for name, times in measured.times.items():
        parts = [part.stop - part.start for part in split(rows, spec.placement_of(name).replicas)]
        steady[name] = [seconds_for(times.steady_s, part) for part in parts]
        steered[name] = [seconds_for(times.steered_s, part) for part in parts]
    steady_s = {name: max(parts) for name, parts in steady.items()}
    steered_s = {name: max(parts) for name, parts in steered.items()}
    loads = _loads(spec, steady, machines)
    busiest = max(loads, key=lambda load: load.seconds)
    cycle_s, cycle = heaviest_cycle(spec, steady_s)
    tick_s = max(busiest.seconds, cycle_s)
    outputs = spec.outputs
    ports = [outputs[AUDIO]] if AUDIO in outputs else list(outputs.values())
    latency_s, path = longest_path(spec, steered_s, [port.partition(".")[0] for port in ports])
    whole_s, _ = longest_path(spec, steady_s, spec.stage)
    window = max(2, floor(whole_s / tick_s) + 1) if tick_s else 2
    gpus = sum(load.device.startswith("gpu") for load in loads) + _spare_gpus(spec, machines)
    return Prediction(
        placement, rows, tick_s, busiest, cycle_s, cycle, latency_s, path, window, gpus
    )


def _loads(
    spec: PipelineSpec, seconds: Mapping[str, Sequence[float]], machines: Machines
) -> list[Load]:
    """Returns the load of every device in a tick; devices are assigned as Ray assigns them."""
    work: dict[str, list[tuple[str, float]]] = {}
    for name, replicas_s in seconds.items():
        for replica, replica_s in enumerate(replicas_s):
            device = _device(name, replica, spec.placement_of(name), machines)
            work.setdefault(device, []).append((name, replica_s))
    loads = []
    for device, parts in work.items():
        busy_s = sum(part_s for _, part_s in parts)
        if device.startswith("cpu"):
            # Stages share the cores, but one stage computes its ticks one after the other.
            busy_s = max(busy_s / machines.cpus, max(part_s for _, part_s in parts))
        loads.append(Load(device, tuple(dict.fromkeys(name for name, _ in parts)), busy_s))
    return loads


def _device(name: str, replica: int, placement: PlacementSpec, machines: Machines) -> str:
    device = placement.device
    if device == "auto":
        several = "gpu" if placement.replicas > 1 else "gpu:0"
        device = several if machines.gpus else "cpu"
    platform = device.partition(":")[0]
    node = f" of node {placement.node}" if placement.node else ""
    if platform == "cpu":
        return f"cpu{node}"
    if ":" in device:
        return f"{device}{node}"
    number = f", replica {replica}" if placement.replicas > 1 else ""
    return f"{device} of {name}{number}"


def _spare_gpus(spec: PipelineSpec, machines: Machines) -> int:
    entries = [spec.placement_of(name) for name in spec.stage]
    on_gpu = ("gpu", "auto") if machines.gpus else ("gpu",)
    return sum(entry.spares for entry in entries if entry.device in on_gpu)


def propose(measured: Measured, machines: Machines, rows: int | None = None) -> Prediction:
    """Finds the fastest of some candidate placements, with as few GPUs as possible.

    Fast stages stay on the CPU. A stage with spares, or with a fixed machine, resource or TPU,
    keeps its placement. The present placement is a candidate too. More devices never give a slower
    proposal, as the placements on fewer devices are candidates.

    Args:
        measured: the measured times of the stages.
        machines: the available machines.
        rows: the number of streams in a batch; None = the greatest number measured.
    """
    rows = measured.rows if rows is None else rows
    present = predict(measured, measured.spec.placement, machines, rows)
    others = (predict(measured, p, machines, rows) for p in _candidates(measured, machines, rows))
    feasible = [option for option in (present, *others) if option.gpus <= machines.all_gpus]
    return min(feasible, key=lambda option: (round(option.tick_s, 9), option.gpus), default=present)


def _candidates(
    measured: Measured, machines: Machines, rows: int
) -> Iterator[dict[str, str | PlacementSpec]]:
    fixed: dict[str, str | PlacementSpec] = {
        name: entry for name, entry in _entries(measured.spec) if _is_tied(entry)
    }
    weights = {
        name: seconds_for(measured.times[name].steady_s, rows)
        for name in measured.spec.stage
        if name not in fixed
    }
    heavy = sorted((s for s in weights if weights[s] >= LIGHT_S), key=lambda s: -weights[s])
    common: dict[str, str | PlacementSpec] = {"default": "cpu", **fixed}
    yield common
    for gpus in range(1, min(machines.all_gpus, len(heavy) * rows) + 1):
        for replicas in _replica_counts(measured, heavy, rows, gpus + len(heavy)):
            placed = _on_gpus(weights, replicas, gpus)
            if placed is not None:
                yield common | placed
    for nodes in range(1, machines.nodes + 1):
        for replicas in _replica_counts(measured, heavy, rows, machines.cpus * len(heavy)):
            yield _on_cpus(weights, replicas, nodes) | fixed


def _entries(spec: PipelineSpec) -> Iterator[tuple[str, PlacementSpec]]:
    for name in spec.stage:
        yield name, spec.placement_of(name)


def _is_tied(entry: PlacementSpec) -> bool:
    return bool(entry.node or entry.resources or entry.spares or entry.device.startswith("tpu"))


def _replica_counts(
    measured: Measured, heavy: Sequence[str], rows: int, most: int
) -> Iterator[dict[str, int]]:
    """Yields numbers of replicas: one of each stage, then one more of the slowest stage each."""
    replicas = dict.fromkeys(heavy, 1)
    while True:
        yield dict(replicas)
        growable = [name for name in heavy if replicas[name] < rows]
        if not growable or sum(replicas.values()) >= most:
            return
        slowest = max(
            growable,
            key=lambda s: seconds_for(measured.times[s].steady_s, -(-rows // replicas[s])),
        )
        replicas[slowest] += 1


def _on_gpus(
    weights: Mapping[str, float], replicas: Mapping[str, int], gpus: int
) -> dict[str, str | PlacementSpec] | None:
    """Places replicas on their own GPUs and other stages on the rest; None if too few are left."""
    own = {name: count for name, count in replicas.items() if count > 1}
    single = [name for name in replicas if name not in own]
    taken = sum(own.values())
    if taken + bool(single) > gpus:
        return None
    # In-process, replicas get the first devices, so that numbered devices come after them.
    placed: dict[str, str | PlacementSpec] = {
        name: PlacementSpec(device="gpu", replicas=count) for name, count in own.items()
    }
    bins = _packed(single, weights, min(gpus - taken, len(single)), 0.0)
    return placed | {name: f"gpu:{taken + index}" for name, index in bins.items()}


def _on_cpus(
    weights: Mapping[str, float], replicas: Mapping[str, int], nodes: int
) -> dict[str, str | PlacementSpec]:
    """Places the replicas of each heavy stage on one machine; several machines have labels."""
    light_s = sum(seconds for name, seconds in weights.items() if name not in replicas)
    bins = _packed(list(replicas), weights, nodes, light_s)
    placed: dict[str, str | PlacementSpec] = {
        "default": PlacementSpec(device="cpu", node="1") if nodes > 1 else "cpu"
    }
    for name, count in replicas.items():
        node = str(bins[name] + 1) if nodes > 1 else ""
        if count > 1 or node not in ("", "1"):
            placed[name] = PlacementSpec(device="cpu", replicas=count, node=node)
    return placed


def _packed(
    names: Sequence[str], weights: Mapping[str, float], bins: int, first_s: float
) -> dict[str, int]:
    """Assigns stages, slowest first, to the least filled bin; bin 0 starts with `first_s`."""
    filled = [first_s] + [0.0] * (bins - 1)
    placed = {}
    for name in sorted(names, key=lambda name: -weights[name]):
        placed[name] = filled.index(min(filled))
        filled[placed[name]] += weights[name]
    return placed
