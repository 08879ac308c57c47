"""Plans placements: how fast a graph would run on so many devices, and which placement is fastest.

Stages that share a device add up; a tick is as long as the busiest device's share of it, or as the
heaviest feedback cycle, whichever is longer. Replicas split rows. Every time is one that was
measured: a stage is taken to be as fast elsewhere as where it ran.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import floor

from soundstage.graph.spec import PipelineSpec, PlacementSpec
from soundstage.runners.timing.critical_path import heaviest_cycle, longest_path
from soundstage.runners.timing.stage_times import Measured, seconds_for
from soundstage.runners.wiring import split

# A stage that takes less stays on the CPU: the way to a device costs about as much.
LIGHT_S = 0.005
AUDIO = "audio"


@dataclass(frozen=True)
class Machines:
    """What there is to run on.

    Attributes:
        gpus: of each machine.
        cpus: stages that each machine's processor runs side by side at full speed; 1 = a stage
            uses all of its cores, as XLA's do.
        nodes: machines.

    Raises:
        ValueError: a number is too small.
    """

    gpus: int = 0
    cpus: int = 1
    nodes: int = 1

    def __post_init__(self) -> None:
        if self.gpus < 0 or self.cpus < 1 or self.nodes < 1:
            raise ValueError(f"there are no {self}")

    @property
    def all_gpus(self) -> int:
        """Of all machines."""
        return self.gpus * self.nodes


@dataclass(frozen=True)
class Load:
    """What a device does in one tick.

    Attributes:
        device: "cpu", "gpu:1", "gpu of sample, replica 1", "cpu of node 2", ...
        stages: whose work it is.
        seconds: how long it is busy, or for the CPU how long the tick keeps it at least.
    """

    device: str
    stages: tuple[str, ...]
    seconds: float


@dataclass(frozen=True)
class Prediction:
    """How a placement would do.

    Attributes:
        placement: the pipeline's `[placement]` table.
        rows: streams made together.
        tick_s: seconds from one chunk to the next while many are under way.
        busiest: the device that does most.
        cycle_s: what the heaviest feedback cycle takes a tick.
        cycle: its stages.
        latency_s: from a steer to the audio of its chunk, when nothing else is under way.
        path: the stages on the way there.
        window: chunks that must be under way at once for `tick_s`.
        gpus: how many GPUs it takes.
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
        """Whether no more devices would help, unless they split rows."""
        return self.cycle_s > self.busiest.seconds


def predict(
    measured: Measured,
    placement: Mapping[str, str | PlacementSpec],
    machines: Machines,
    rows: int | None = None,
) -> Prediction:
    """How a graph would run.

    Args:
        measured: what its stages took.
        placement: as in a pipeline file; devices that `machines` lacks count as if they were there.
        machines: what it runs on; "auto" is a GPU if there is any.
        rows: streams made together; None = as many as were measured.
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
    heard = [outputs[AUDIO]] if AUDIO in outputs else list(outputs.values())
    latency_s, path = longest_path(spec, steered_s, [port.partition(".")[0] for port in heard])
    whole_s, _ = longest_path(spec, steady_s, spec.stage)
    window = max(2, floor(whole_s / tick_s) + 1) if tick_s else 2
    gpus = sum(load.device.startswith("gpu") for load in loads) + _spare_gpus(spec, machines)
    return Prediction(
        placement, rows, tick_s, busiest, cycle_s, cycle, latency_s, path, window, gpus
    )


def _loads(
    spec: PipelineSpec, seconds: Mapping[str, Sequence[float]], machines: Machines
) -> list[Load]:
    """What every device does in a tick; devices as Ray deals them."""
    work: dict[str, list[tuple[str, float]]] = {}
    for name, replicas_s in seconds.items():
        for replica, replica_s in enumerate(replicas_s):
            device = _device(name, replica, spec.placement_of(name), machines)
            work.setdefault(device, []).append((name, replica_s))
    loads = []
    for device, parts in work.items():
        busy_s = sum(part_s for _, part_s in parts)
        if device.startswith("cpu"):
            # Cores share what there is, but one stage meets its ticks one after the other.
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
    """The fastest placement found on these machines, with as few GPUs as that takes.

    Light stages stay on the CPU. What has spares, or is tied to a machine, to resources or to a
    TPU, stays where it is. The present placement itself is proposed if none is faster. More
    devices never make a proposal slower: those of fewer devices are among the candidates.

    Args:
        measured: what the stages took.
        machines: what there is to run on.
        rows: streams made together; None = as many as were measured.
    """
    rows = measured.rows if rows is None else rows
    present = predict(measured, measured.spec.placement, machines, rows)
    others = (predict(measured, p, machines, rows) for p in _candidates(measured, machines, rows))
    fit = [one for one in (present, *others) if one.gpus <= machines.all_gpus]
    return min(fit, key=lambda one: (round(one.tick_s, 9), one.gpus), default=present)


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
        for replicas in _more_and_more(measured, heavy, rows, gpus + len(heavy)):
            dealt = _on_gpus(weights, replicas, gpus)
            if dealt is not None:
                yield common | dealt
    for nodes in range(1, machines.nodes + 1):
        for replicas in _more_and_more(measured, heavy, rows, machines.cpus * len(heavy)):
            yield _on_cpus(weights, replicas, nodes) | fixed


def _entries(spec: PipelineSpec) -> Iterator[tuple[str, PlacementSpec]]:
    for name in spec.stage:
        yield name, spec.placement_of(name)


def _is_tied(entry: PlacementSpec) -> bool:
    return bool(entry.node or entry.resources or entry.spares or entry.device.startswith("tpu"))


def _more_and_more(
    measured: Measured, heavy: Sequence[str], rows: int, most: int
) -> Iterator[dict[str, int]]:
    """Numbers of replicas: one each, then always one more of what takes longest."""
    replicas = dict.fromkeys(heavy, 1)
    while True:
        yield dict(replicas)
        grown = [name for name in heavy if replicas[name] < rows]
        if not grown or sum(replicas.values()) >= most:
            return
        slowest = max(
            grown,
            key=lambda s: seconds_for(measured.times[s].steady_s, -(-rows // replicas[s])),
        )
        replicas[slowest] += 1


def _on_gpus(
    weights: Mapping[str, float], replicas: Mapping[str, int], gpus: int
) -> dict[str, str | PlacementSpec] | None:
    """Replicas on GPUs of their own, the other stages on what is left; None if nothing is."""
    own = {name: count for name, count in replicas.items() if count > 1}
    single = [name for name in replicas if name not in own]
    taken = sum(own.values())
    if taken + bool(single) > gpus:
        return None
    # In one process replicas get the first devices, so what is named comes behind them.
    dealt: dict[str, str | PlacementSpec] = {
        name: PlacementSpec(device="gpu", replicas=count) for name, count in own.items()
    }
    bins = _packed(single, weights, min(gpus - taken, len(single)), 0.0)
    return dealt | {name: f"gpu:{taken + index}" for name, index in bins.items()}


def _on_cpus(
    weights: Mapping[str, float], replicas: Mapping[str, int], nodes: int
) -> dict[str, str | PlacementSpec]:
    """Every heavy stage's replicas on one machine, machines by label if there are several."""
    light_s = sum(seconds for name, seconds in weights.items() if name not in replicas)
    bins = _packed(list(replicas), weights, nodes, light_s)
    dealt: dict[str, str | PlacementSpec] = {
        "default": PlacementSpec(device="cpu", node="1") if nodes > 1 else "cpu"
    }
    for name, count in replicas.items():
        node = str(bins[name] + 1) if nodes > 1 else ""
        if count > 1 or node not in ("", "1"):
            dealt[name] = PlacementSpec(device="cpu", replicas=count, node=node)
    return dealt


def _packed(
    names: Sequence[str], weights: Mapping[str, float], bins: int, first_s: float
) -> dict[str, int]:
    """Deals stages, heaviest first, each to the bin that has least; the first has some already."""
    filled = [first_s] + [0.0] * (bins - 1)
    dealt = {}
    for name in sorted(names, key=lambda name: -weights[name]):
        dealt[name] = filled.index(min(filled))
        filled[dealt[name]] += weights[name]
    return dealt
