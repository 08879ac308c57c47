"""Advice for a pipeline that is too slow or barely fast enough, from measurements alone."""

from __future__ import annotations

from collections.abc import Iterator

from soundstage.apps.commands.doctor.machine import Machine
from soundstage.apps.commands.doctor.measurement import Examination
from soundstage.graph.plan import Graph
from soundstage.presets.preset import preset_names
from soundstage.runners.timing.planner import Machines, predict
from soundstage.runners.timing.stage_times import seconds_for

# The published network sizes, and the smaller presets.
SMALLER = {"large": ("base", "demo"), "base": ("demo",)}
# A machine whose load before the measurement is above this share of its cores is busy.
BUSY = 0.5
# A stage that takes more than this share of a chunk's time dominates it.
MOST = 0.5
# One that takes more than this share may compute with numbers of fewer bits, if it can.
MUCH = 0.2
# Overlap is advised if a chunk then takes less than this share of its time.
WORTHWHILE = 0.9


def advise(graph: Graph, machine: Machine, examination: Examination) -> Iterator[str]:
    """Yields sentences, the most useful first; none for a pipeline that needs no advice."""
    word = examination.verdict.word
    if machine.load is not None and machine.load > BUSY * machine.cores:
        yield (
            f"this machine was busy with something else (load {machine.load:.1f} on "
            f"{machine.cores} cores): run `soundstage doctor` again when it is idle"
        )
    if word != "plays":
        yield from _placements(graph, machine, examination)
        yield from _fewer_bits(graph, machine, examination)
        yield from _overlap(examination, machine)
        yield from _smaller(graph)
    if word == "too slow":
        yield (
            "`soundstage generate` can still write the music to a file, which takes "
            f"{examination.verdict.rtf:.1f} x as long as the music"
        )
    if word == "barely":
        seconds = 3 * examination.verdict.chunk_s
        yield f"buffer more music for slow moments: `soundstage play --latency {seconds:g}`"
    if not machine.sound and not machine.players:
        yield "this machine has no sound device and no player: use `soundstage play --output`"


def heaviest(examination: Examination) -> tuple[str, float]:
    """Returns the stage that takes longest, and its share of all stages' time."""
    shares = _shares(examination)
    stage = max(shares, key=shares.__getitem__)
    return stage, shares[stage]


def _shares(examination: Examination) -> dict[str, float]:
    """Returns the share of all stages' time that each takes."""
    seconds = {name: seconds_for(t.steady_s, 1) for name, t in examination.measured.times.items()}
    total = sum(seconds.values()) or 1.0
    return {name: each / total for name, each in seconds.items()}


def _placements(graph: Graph, machine: Machine, examination: Examination) -> Iterator[str]:
    stage, share = heaviest(examination)
    if share < MOST:
        return
    fact = f"the stage {stage} takes {100 * share:.0f} % of the time"
    if machine.has_accelerator:
        if graph.nodes[stage].placement.device.startswith("cpu"):
            yield f"{fact}, on the processor: put it on the accelerator with `--place {stage}=auto`"
    elif machine.has_nvidia:
        yield (
            f"{fact}, and JAX does not see the NVIDIA GPU of this machine: install it with "
            "`pip install -U 'jax[cuda12]'`"
        )
    else:
        yield f"{fact}: a GPU is faster, and this machine has none"


def _fewer_bits(graph: Graph, machine: Machine, examination: Examination) -> Iterator[str]:
    """Advises integers for networks on a processor that take long and compute without them."""
    settings = []
    for stage, share in _shares(examination).items():
        node = graph.nodes[stage]
        on_processor = not machine.has_accelerator or node.placement.device.startswith("cpu")
        if share < MUCH or not on_processor:
            continue
        packs = getattr(node.params, "products", "") in ("auto", "packed")
        if packs and node.params.dtype != "int8":
            settings.append(f"--set {stage}.params.dtype=int8")
        if getattr(node.params, "convolution", "") in ("direct", "winograd"):
            settings.append(f"--set {stage}.params.convolution=int16")
    if settings:
        yield (
            "compute with numbers of fewer bits, which is faster on a processor and changes the "
            f"music: add `{' '.join(settings)}` (needs the extra `cpu`, `pip install '.[cpu]'`)"
        )


def _overlap(examination: Examination, machine: Machine) -> Iterator[str]:
    """Advises to overlap the stages of two chunks if the planner predicts a gain."""
    gpus = sum(not device.startswith("cpu") for device in machine.devices)
    spec = examination.measured.spec
    prediction = predict(examination.measured, spec.placement, Machines(gpus=gpus))
    one_by_one_s = sum(seconds_for(t.steady_s, 1) for t in examination.measured.times.values())
    if prediction.tick_s < WORTHWHILE * one_by_one_s:
        yield (
            f"let the stages of two chunks overlap, `soundstage play --window "
            f"{prediction.window}`: a chunk every {prediction.tick_s:.2f} s is predicted"
        )


def _smaller(graph: Graph) -> Iterator[str]:
    sizes = {getattr(node.params, "size", None) for node in graph.nodes.values()}
    known = [size for size in SMALLER if size in sizes]
    smaller = [name for size in known for name in SMALLER[size] if name in preset_names()]
    if smaller:
        yield f"try a smaller network: `soundstage doctor {smaller[0]}`"
