"""Opens the runner of an engine: in this process, or in one of a Ray cluster."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

from soundstage.graph.plan import Graph
from soundstage.runners.api import needing_ray, open_runner
from soundstage.runners.choice import RunnerChoice
from soundstage.runners.runner import Runner


def join_cluster(choice: RunnerChoice) -> AbstractContextManager[object]:
    """Connects to the Ray cluster of the engines until the block ends; nothing for "local".

    Raises:
        UsageError: the extra `ray` is not installed.
        ClusterError: there is no Ray cluster at the address.
    """
    if choice.kind != "ray":
        return nullcontext()
    with needing_ray():
        from soundstage.runners.ray.connection import cluster, never_connect_by_itself
    never_connect_by_itself()
    return cluster(choice.address)


def open_engine(
    graph: Graph,
    choice: RunnerChoice,
    number: int,
    workers: int,
    closing: threading.Event,
    remembered: int,
) -> Runner:
    """Opens the runner of an engine.

    Args:
        graph: what makes the music.
        choice: the kind of runner.
        number: the engine's number in the fleet.
        workers: ticks made at the same time.
        closing: set when the engine is not wanted any more, which may be while it is opened.
        remembered: the number of answers that a stage keeps if only controls feed it.

    Raises:
        Exception: those of `runners.api.open_runner`.
    """
    remembered = choice.remembered or remembered
    if choice.kind != "ray":
        return open_runner(graph, replace(choice, remembered=remembered))
    from soundstage.runners.ray.engine_runner import EngineRunner

    return EngineRunner(graph, number, workers=workers, remembered=remembered, closing=closing)
