"""What would help a pipeline that is too slow, or only just fast enough: only what was measured."""

from __future__ import annotations

from collections.abc import Iterator

from soundstage.apps.commands.doctor.machine import Machine
from soundstage.apps.commands.doctor.measurement import Examination
from soundstage.graph.plan import Graph
from soundstage.presets.preset import preset_names
from soundstage.runners.timing.planner import Machines, predict
from soundstage.runners.timing.stage_times import seconds_for

# The published sizes, and what is smaller.
SMALLER = {"large": ("base", "demo"), "base": ("demo",)}
# A load above this share of the cores, before anything was measured, spoils the figures.
BUSY = 0.5
# Where a stage takes more of a chunk's time than this, it is the one to look at.
MOST = 0.5
# An overlap must gain so much before it is worth a word.
WORTHWHILE = 0.9


def advise(graph: Graph, machine: Machine, found: Examination) -> Iterator[str]:
    """Sentences, the most useful first; none if there is nothing to be done."""
    word = found.verdict.word
    if machine.load is not None and machine.load > BUSY * machine.cores:
        yield (
            f"this machine was busy with something else (load {machine.load:.1f} on "
            f"{machine.cores} cores): ask again when it is quiet"
        )
    if word != "plays":
        yield from _placements(graph, machine, found)
        yield from _overlap(found, machine)
        yield from _smaller(graph)
    if word == "too slow":
        yield (
            "it can still be written to a file, `soundstage generate`, which takes "
            f"{found.verdict.rtf:.1f} x as long as the music"
        )
    if word == "barely":
        yield "keep more in stock for slow moments: `soundstage play --latency 3`"
    if not machine.sound and not machine.players:
        yield "there is no sound device and no player here: see `soundstage play --output`"


def heaviest(found: Examination) -> tuple[str, float]:
    """The stage that takes longest, and its share of all stages' time."""
    seconds = {name: seconds_for(t.steady_s, 1) for name, t in found.measured.times.items()}
    stage = max(seconds, key=seconds.__getitem__)
    return stage, seconds[stage] / (sum(seconds.values()) or 1.0)


def _placements(graph: Graph, machine: Machine, found: Examination) -> Iterator[str]:
    stage, share = heaviest(found)
    if share < MOST:
        return
    said = f"the stage {stage} takes {100 * share:.0f} % of the time"
    if machine.has_accelerator:
        if graph.nodes[stage].placement.device.startswith("cpu"):
            yield f"{said}, on the processor: put it on the accelerator, `--place {stage}=auto`"
    elif machine.has_nvidia:
        yield (
            f"{said}, and JAX does not see the NVIDIA GPU of this machine: install it with "
            "`pip install -U 'jax[cuda12]'`"
        )
    else:
        yield f"{said}: a GPU is what it is made for, and there is none here"


def _overlap(found: Examination, machine: Machine) -> Iterator[str]:
    """Whether stages of two chunks side by side would be faster, by the planner."""
    gpus = sum(not device.startswith("cpu") for device in machine.devices)
    spec = found.measured.spec
    prediction = predict(found.measured, spec.placement, Machines(gpus=gpus))
    one_by_one_s = sum(seconds_for(t.steady_s, 1) for t in found.measured.times.values())
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
