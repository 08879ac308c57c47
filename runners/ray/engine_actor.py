"""The Ray actor that is an engine: a whole graph in one process, or in stage actors of its own."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version as version_of
from typing import Any

import ray

from soundstage.errors import ClusterError, Error
from soundstage.graph.plan import Graph
from soundstage.graph.port import Tensor
from soundstage.graph.state import State
from soundstage.runners.ray.large_values import ReadValues
from soundstage.runners.ray.process_settings import ProcessSettings
from soundstage.runners.runner import Chunk, Runner, StageFailed, Tick
from soundstage.runners.spans import Span
from soundstage.version import version

# Concurrency groups, besides the one of the ticks: calls that ask whether the process lives, and
# calls that run one stage alone.
PINGS, ASKS = "pings", "asks"


@dataclass(frozen=True)
class EngineSetup:
    """What an engine is made of.

    Attributes:
        graph: the graph that it runs.
        one_process: whether all stages run in the engine's process; otherwise each is an actor.
        remembered: the number of answers that a stage keeps if only controls feed it.
        versions: those of the libraries that decide about bytes, where the engine is asked for.
        ready_within_s: the longest time until it is built; Ray may have to start machines first.
    """

    graph: Graph
    one_process: bool
    remembered: int
    versions: Mapping[str, str]
    ready_within_s: float


@dataclass(frozen=True)
class EngineReport:
    """An engine that is built.

    Attributes:
        process: the id of its process.
        node: Ray's id of its machine.
        host: the machine's name.
        weights: digest and note of every stage that has weights, by stage.
        platforms: the kinds of devices that its stages run on.
    """

    process: int
    node: str
    host: str
    weights: dict[str, dict[str, str]]
    platforms: frozenset[str]


@dataclass(frozen=True)
class MadeTick:
    """A tick's chunk, without what the caller knows; or why there is none.

    Attributes:
        outputs: see `Chunk`.
        state: the state after it.
        seconds: see `Chunk`.
        spans: see `Chunk`.
        failure: the stage's error. It is returned, not raised, for Ray would add a traceback.
    """

    outputs: Mapping[str, Tensor]
    state: State | None
    seconds: Mapping[str, float]
    spans: tuple[Span, ...]
    failure: StageFailed | None = None


def versions() -> dict[str, str]:
    """Returns the versions that have to be the same on all machines."""
    return {"soundstage": version(), "jax": version_of("jax")}


class EngineActor:
    """An engine in a process of its own.

    It has no state that matters: a stream's state comes with each tick and goes back with its
    chunk. If the process dies, Ray starts another one, which is built again by `open`.

    Args:
        settings: of the process; applied first.
    """

    def __init__(self, settings: ProcessSettings) -> None:
        settings.apply()
        self._runner: Runner | None = None
        self._values = ReadValues()

    def open(self, setup: EngineSetup) -> EngineReport:
        """Builds the stages, unless they are built.

        Raises:
            ClusterError: this machine has other versions.
            Exception: those of the runner.
        """
        refuse_other_versions(setup.versions)
        host = socket.gethostname()
        if self._runner is None:
            try:
                self._runner = _opened(setup)
            except Error as error:
                error.args = (f"machine {host}: {error}", *error.args[1:])
                raise
        return EngineReport(
            os.getpid(),
            ray.get_runtime_context().get_node_id(),
            host,
            self._runner.weights(),
            self._runner.platforms,
        )

    def ping(self) -> tuple[int, bool]:
        """Returns the id of this process, and whether all stages are built and alive."""
        runner = self._runner
        return os.getpid(), runner is not None and bool(getattr(runner, "alive", True))

    def tick(self, tick: Tick, state: State) -> MadeTick:
        """Makes one chunk of every row of a tick."""
        controls = tuple(self._values.read(row) for row in tick.controls)
        whole = Tick(tick.streams, tick.chunks, controls)
        try:
            (chunk,) = self._built().stream([whole], state)
        except StageFailed as failure:
            return MadeTick({}, None, {}, (), bare(failure))
        return _made(chunk)

    def ask(self, stage: str, controls: Mapping[str, Any]) -> Mapping[str, Tensor] | StageFailed:
        """Runs one stage alone; returns its outputs, or its error."""
        try:
            return dict(self._built().ask(stage, self._values.read(controls)))
        except StageFailed as failure:
            return bare(failure)

    def _built(self) -> Runner:
        if self._runner is None:
            raise RuntimeError("its process is new, and not built")
        return self._runner


def refuse_other_versions(expected: Mapping[str, str]) -> None:
    """Refuses a machine whose versions differ from those of the server.

    Raises:
        ClusterError: they differ; bytes could, too.
    """
    here = versions()
    others = [f"{name} {here[name]}" for name in here if expected.get(name) != here[name]]
    if others:
        wanted = ", ".join(f"{name} {number}" for name, number in expected.items())
        raise ClusterError(
            f"the machine {socket.gethostname()} has {', '.join(others)}, and the server has "
            f"{wanted}: install the same versions on all machines"
        )


def bare(failure: StageFailed) -> StageFailed:
    """Returns an error without its cause, whose class may not be picklable; its text is kept."""
    return StageFailed(failure.stage, failure.chunks, failure.reason)


def _opened(setup: EngineSetup) -> Runner:
    if setup.one_process:
        from soundstage.runners.api import open_runner
        from soundstage.runners.choice import RunnerChoice

        return open_runner(setup.graph, RunnerChoice(remembered=setup.remembered))
    from soundstage.runners.ray.ray_runner import RayRunner, RaySettings

    return RayRunner(setup.graph, RaySettings(placement_timeout_s=setup.ready_within_s))


def _made(chunk: Chunk) -> MadeTick:
    return MadeTick(dict(chunk.outputs), chunk.state, dict(chunk.seconds), chunk.spans)
