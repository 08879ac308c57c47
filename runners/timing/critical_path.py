"""The longest ways through a graph: what bounds the time of a tick, whatever the devices are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter

from soundstage.graph.spec import FeedbackSpec, PipelineSpec

# Less than any clock sees: keeps rounding from being taken for a cycle's gain.
_NOTHING_S = 1e-12


@dataclass(frozen=True)
class Feed:
    """One stage reads another.

    Attributes:
        source: who speaks.
        stage: who hears.
        past: whether it is what was said in the tick before.
    """

    source: str
    stage: str
    past: bool


def feeds(spec: PipelineSpec) -> tuple[Feed, ...]:
    """Who reads whom, each pair once, in the order of the file."""
    found: dict[Feed, None] = {}
    for name, stage in spec.stage.items():
        for source in stage.inputs.values():
            past = isinstance(source, FeedbackSpec)
            written = source.from_ if isinstance(source, FeedbackSpec) else source
            speaker = written.partition(".")[0]
            if speaker in spec.stage:
                found[Feed(speaker, name, past)] = None
    return tuple(found)


def in_order(spec: PipelineSpec) -> tuple[str, ...]:
    """The stages, each behind those that it reads within a tick.

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
    """How long one tick takes alone until the last of some stages has spoken.

    Args:
        spec: the graph.
        seconds: how long each stage takes.
        ends: the stages to reach, at least one.

    Returns:
        Seconds, and the stages of the longest way there, in order.
    """
    within = [feed for feed in feeds(spec) if not feed.past]
    path: dict[str, tuple[float, tuple[str, ...]]] = {}
    for name in in_order(spec):
        before = [path[feed.source] for feed in within if feed.stage == name]
        start_s, way = max(before, default=(0.0, ()))
        path[name] = (start_s + seconds[name], (*way, name))
    return max(path[end] for end in ends)


def heaviest_cycle(
    spec: PipelineSpec, seconds: Mapping[str, float]
) -> tuple[float, tuple[str, ...]]:
    """The feedback cycle that takes the longest a tick: no pipelining makes a tick shorter.

    A cycle over several delays has as many ticks for its stages (a maximum cycle ratio; found by
    raising the ratio from cycle to cycle until no heavier one is left, with Bellman and Ford's
    search for each).

    Args:
        spec: the graph.
        seconds: how long each stage takes, at least 0.

    Returns:
        Seconds a tick, and the cycle's stages in order; 0.0 and none if nothing is fed back.
    """
    heaviest: tuple[float, tuple[str, ...]] = (0.0, ())
    while cycle := _cycle_above(feeds(spec), seconds, heaviest[0]):
        each_s = sum(seconds[feed.source] for feed in cycle) / sum(feed.past for feed in cycle)
        if each_s <= heaviest[0]:
            break
        heaviest = (each_s, _named(cycle))
    return heaviest


def _named(cycle: Sequence[Feed]) -> tuple[str, ...]:
    """The stages of a cycle, beginning with the one that reads the past."""
    start = next(index for index, feed in enumerate(cycle) if feed.past) + 1
    turned = [*cycle[start:], *cycle[:start]]
    return tuple(feed.source for feed in turned)


def _cycle_above(
    edges: Sequence[Feed], seconds: Mapping[str, float], each_s: float
) -> list[Feed] | None:
    """A cycle that takes longer than so many seconds a tick; None if there is none."""
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
    for _ in seconds:  # back until it is certain to be on the cycle
        raised = through[raised].source
    cycle = [through[raised]]
    while cycle[-1].source != raised:
        cycle.append(through[cycle[-1].source])
    return cycle[::-1]
