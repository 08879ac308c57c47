"""The longest path and the heaviest cycle of a graph, which bound the time of a tick."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter

from soundstage.graph.spec import FeedbackSpec, PipelineSpec

# Below any clock's resolution: smaller gains of a cycle are rounding errors.
_NOTHING_S = 1e-12


@dataclass(frozen=True)
class Feed:
    """An edge between two stages.

    Attributes:
        source: the stage that is read.
        stage: the stage that reads.
        past: whether the message is that of the tick before.
    """

    source: str
    stage: str
    past: bool


def feeds(spec: PipelineSpec) -> tuple[Feed, ...]:
    """Returns the edges between stages, each once, in the order of the file."""
    edges: dict[Feed, None] = {}
    for name, stage in spec.stage.items():
        for source in stage.inputs.values():
            past = isinstance(source, FeedbackSpec)
            written = source.from_ if isinstance(source, FeedbackSpec) else source
            origin = written.partition(".")[0]
            if origin in spec.stage:
                edges[Feed(origin, name, past)] = None
    return tuple(edges)


def in_order(spec: PipelineSpec) -> tuple[str, ...]:
    """Returns the stages, each after those that it reads within a tick.

    Raises:
        graphlib.CycleError: there is a cycle without a delay.
    """
    sorter: TopologicalSorter[str] = TopologicalSorter({name: () for name in spec.stage})
    for feed in feeds(spec):
        if not feed.past:
            sorter.add(feed.stage, feed.source)
    return tuple(sorter.static_order())


def longest_path(
    spec: PipelineSpec, seconds: Mapping[str, float], ends: Iterable[str]
) -> tuple[float, tuple[str, ...]]:
    """Finds the longest path of a single tick to some stages.

    Args:
        spec: the graph.
        seconds: the time of each stage.
        ends: the last stages, at least one.

    Returns:
        The seconds of the path, and its stages in order.
    """
    within = [feed for feed in feeds(spec) if not feed.past]
    path: dict[str, tuple[float, tuple[str, ...]]] = {}
    for name in in_order(spec):
        before = [path[feed.source] for feed in within if feed.stage == name]
        start_s, stages = max(before, default=(0.0, ()))
        path[name] = (start_s + seconds[name], (*stages, name))
    return max(path[end] for end in ends)


def heaviest_cycle(
    spec: PipelineSpec, seconds: Mapping[str, float]
) -> tuple[float, tuple[str, ...]]:
    """Finds the feedback cycle with the most seconds a tick: no tick can be shorter.

    The time of a cycle is divided by the number of its delays: this is a maximum cycle ratio. The
    search raises the ratio from cycle to cycle until none is heavier; it finds each cycle with the
    Bellman-Ford algorithm.

    Args:
        spec: the graph.
        seconds: the time of each stage, at least 0.

    Returns:
        Seconds a tick, and the cycle's stages in order; 0.0 and no stages without feedback.
    """
    heaviest: tuple[float, tuple[str, ...]] = (0.0, ())
    while cycle := _cycle_above(feeds(spec), seconds, heaviest[0]):
        each_s = sum(seconds[feed.source] for feed in cycle) / sum(feed.past for feed in cycle)
        if each_s <= heaviest[0]:
            break
        heaviest = (each_s, _named(cycle))
    return heaviest


def _named(cycle: Sequence[Feed]) -> tuple[str, ...]:
    """Returns the stages of a cycle, starting with one that reads the past."""
    start = next(index for index, feed in enumerate(cycle) if feed.past) + 1
    rotated = [*cycle[start:], *cycle[:start]]
    return tuple(feed.source for feed in rotated)


def _cycle_above(
    edges: Sequence[Feed], seconds: Mapping[str, float], each_s: float
) -> list[Feed] | None:
    """Finds a cycle that takes more than `each_s` seconds a tick; None if there is none."""
    reach = dict.fromkeys(seconds, 0.0)
    through: dict[str, Feed] = {}
    raised = ""
    for _ in seconds:
        raised = ""
        for feed in edges:
            length = reach[feed.source] + seconds[feed.source] - each_s * feed.past
            if length > reach[feed.stage] + _NOTHING_S:
                reach[feed.stage] = length
                through[feed.stage] = feed
                raised = feed.stage
        if not raised:
            return None
    for _ in seconds:  # go back until the stage is certainly on the cycle
        raised = through[raised].source
    cycle = [through[raised]]
    while cycle[-1].source != raised:
        cycle.append(through[cycle[-1].source])
    return cycle[::-1]
