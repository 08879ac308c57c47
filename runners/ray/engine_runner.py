"""A runner whose ticks another process makes: the driver's side of an `EngineActor`."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import ray
from ray.exceptions import GetTimeoutError, RayActorError, RayError, RayTaskError
from ray.util import placement_group_table
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from soundstage.errors import ClusterError
from soundstage.graph.plan import Graph
from soundstage.graph.port import Tensor
from soundstage.graph.problem import PipelineError
from soundstage.graph.state import State, initial
from soundstage.runners.engine.refusals import EngineLost
from soundstage.runners.lifetime import Lifetime
from soundstage.runners.local import default_tick
from soundstage.runners.ray.building import last_line
from soundstage.runners.ray.engine_actor import (
    ASKS,
    PINGS,
    EngineActor,
    EngineReport,
    EngineSetup,
    MadeTick,
    versions,
)
from soundstage.runners.ray.large_values import SentValues
from soundstage.runners.ray.placement import missing_machines, place_engine, total
from soundstage.runners.runner import Chunk, StageFailed, Tick

LOGGER = logging.getLogger("soundstage.serve")

# The longest time until an engine is built: Ray finds a machine, and weights are loaded.
READY_WITHIN_S = 600.0
# After this time without an answer, the log says what the engine waits for.
TELL_AFTER_S = 15.0
CHECK_S, RETRY_S = 0.5, 0.2
# An actor that Ray does not start again is made anew after so many attempts.
MOST_ATTEMPTS = 25
KILL_WITHIN_S = 20.0


class EngineRunner:
    """Runs a graph in an engine of its own: a process of the cluster this process belongs to.

    Equal ticks and state give equal bytes, as on every runner. If the engine's process dies or is
    ended, ticks raise `EngineLost` until `revive` has replaced it.
    """

    def __init__(
        self, graph: Graph, number: int, *, workers: int, remembered: int, closing: threading.Event
    ) -> None:
        """Starts the engine, and builds its stages.

        Args:
            graph: the graph to run.
            number: the engine's number, for errors and the log.
            workers: ticks made at the same time.
            remembered: the number of answers that a stage keeps if only controls feed it.
            closing: set when the engine is not wanted any more, which may be while it starts.

        Raises:
            ClusterError: the machine of the engine has other versions, or none was free in time.
            PipelineError: no machine of the cluster has the devices of the placement.
            EngineLost: it is not wanted any more.
            Exception: any error of a stage's constructor, e.g. `WeightsError`.
        """
        self.graph = graph
        self.window = 1
        self._number, self._workers, self._closing = number, workers, closing
        self._lifetime = Lifetime("runner")
        has_gpu = ray.cluster_resources().get("GPU", 0) > 0
        self._place = place_engine(graph, has_gpu)
        problems = missing_machines(self._place.bundles, ray.nodes())
        if problems:
            raise PipelineError(problems)
        one_process = self._place.one_process
        self._setup = EngineSetup(graph, one_process, remembered, versions(), READY_WITHIN_S)
        self._values = SentValues()
        self._actor = self._make_actor()
        try:
            self._report = self._open()
        except BaseException:
            ray.kill(self._actor)
            raise
        self.platforms = self._report.platforms

    def weights(self) -> dict[str, dict[str, str]]:
        """Digest and note of every stage that has weights, by stage."""
        return dict(self._report.weights)

    def stream(
        self, ticks: Iterable[Tick], state: State | None = None, lookahead: int = 0
    ) -> Iterator[Chunk]:
        """Makes one chunk a tick; see `Runner.stream`. The chunks have no messages.

        Raises:
            EngineLost: the engine's process died.
        """
        for tick in ticks:
            chunk = self._make(tick, state or initial(self.graph, tick.streams))
            state = chunk.state
            yield chunk

    def ask(self, stage: str, controls: Mapping[str, Any]) -> Mapping[str, Tensor]:
        """Runs one stage alone for one row of controls; see `Runner.ask`.

        Raises:
            EngineLost: the engine's process died.
        """
        self._lifetime.check()
        call = self._actor.ask.options(concurrency_group=ASKS)
        outputs = self._get(call.remote(stage, self._values.send(controls)))
        if isinstance(outputs, StageFailed):
            raise outputs
        return {name: _copy(value) for name, value in outputs.items()}

    def warm_up(self, streams: int = 1) -> None:
        """Makes one chunk with the default controls and discards it, to compile everything."""
        for _ in self.stream([default_tick(self.graph, streams)]):
            pass

    @property
    def process(self) -> int:
        """The id of the engine's process, on its machine."""
        return self._report.process

    @property
    def machine(self) -> str:
        """Ray's id of the engine's machine."""
        return self._report.node

    def answers(self, within_s: float) -> bool:
        """Whether the engine's process, and those of its stages, answer within a time.

        Raises:
            EngineLost: the engine's process died.
        """
        try:
            process, whole = ray.get(self._ping(), timeout=within_s)
        except GetTimeoutError:
            return False
        except RayError as error:
            raise _died(error) from error
        if process != self._report.process:
            raise EngineLost("its process died")
        return bool(whole)

    def revive(self) -> None:
        """Waits until a new process has replaced the lost one and is built; ends one that hangs.

        Raises:
            ClusterError: none is built in time.
            Exception: as the constructor.
        """
        self._end_process()
        self._report = self._open()

    def close(self) -> None:
        """Ends the engine's process. Idempotent."""
        if not self._lifetime.closed and not self._lifetime.forked and ray.is_initialized():
            ray.kill(self._actor)
        self._lifetime.closed = True

    def _make_actor(self) -> Any:
        remote: Any = ray.remote  # its types lack concurrency groups
        actor = remote(concurrency_groups={PINGS: 1, ASKS: 1})(EngineActor)
        options = {"max_concurrency": self._workers, **self._place.options}
        return actor.options(**options).remote(self._place.settings)

    def _ping(self) -> Any:
        return self._actor.ping.options(concurrency_group=PINGS).remote()

    def _make(self, tick: Tick, state: State) -> Chunk:
        self._lifetime.check()
        controls = tuple(self._values.send(row) for row in tick.controls)
        sent = Tick(tick.streams, tick.chunks, controls)
        made: MadeTick = self._get(self._actor.tick.remote(sent, state))
        if made.failure is not None:
            raise made.failure
        assert made.state is not None
        outputs = made.outputs
        # Chunks that are made ahead may keep no memory of the object store. Of several rows, the
        # engine keeps copies, of one what it gets.
        if len(tick.streams) == 1:
            outputs = {name: _copy(value) for name, value in outputs.items()}
        return Chunk(
            self.graph,
            self.weights(),
            tick,
            outputs,
            made.state,
            made.seconds,
            {},
            made.spans,
        )

    def _get(self, reply: Any) -> Any:
        try:
            return ray.get(reply)
        except RayTaskError as error:
            raise EngineLost(last_line(error)) from error
        except RayError as error:
            raise _died(error) from error

    def _open(self) -> EngineReport:
        """Builds the engine's stages; waits for a machine, and for a process that is restarted."""
        start_s, told, attempts = time.monotonic(), False, 0
        reply = self._ask_to_open()
        while (waited_s := time.monotonic() - start_s) < READY_WITHIN_S:
            if self._closing.is_set():
                raise EngineLost(f"engine {self._number} was closed before it was ready")
            try:
                report: EngineReport = ray.get(reply, timeout=CHECK_S)
                return report
            except GetTimeoutError:
                if not told and waited_s >= TELL_AFTER_S:
                    LOGGER.warning("engine %d is not ready yet: %s", self._number, self._needs())
                    told = True
            except RayTaskError as error:
                self._raise(error)
            except RayActorError:
                attempts += 1
                time.sleep(RETRY_S)
                if attempts % MOST_ATTEMPTS == 0:
                    self._actor = self._make_actor()
                reply = self._ask_to_open()
        raise ClusterError(
            f"engine {self._number} was not ready within {READY_WITHIN_S:g} s: {self._needs()}"
        )

    def _raise(self, error: RayTaskError) -> NoReturn:
        """Raises the error of a stage's constructor, with the engine's number."""
        cause = error.cause
        if isinstance(cause, Exception) and not isinstance(cause, RayError):
            cause.args = (f"engine {self._number}: {cause}", *cause.args[1:])
            raise cause from error
        raise ClusterError(f"engine {self._number}: {last_line(error)}") from error

    def _ask_to_open(self) -> Any:
        """Asks for the engine's stages, and whether it has a process, which tells what it lacks."""
        self._first_ping = self._ping()
        return self._actor.open.remote(self._setup)

    def _needs(self) -> str:
        """Returns what the engine waits for: for what it needs of machines, or for its process."""
        needed, free = total(self._place.bundles), ray.available_resources()
        started = bool(ray.wait([self._first_ping], timeout=0)[0])
        if not self._place.one_process:
            started = started and not _reserves()
        # Of processors it takes next to nothing, so that one machine has it if all together do.
        fits = needed.keys() == {"CPU"} and free.get("CPU", 0.0) >= needed["CPU"]
        if started or fits:
            return "its process starts, or loads weights; the logs of its machine say more"
        amounts = ", ".join(f"{amount:g} {name}" for name, amount in needed.items())
        there = ", ".join(f"{free.get(name, 0):g} {name}" for name in needed)
        where = " on one machine" if self._place.one_process else ""
        return (
            f"it needs {amounts}{where}, and {there} are free in all: add machines, or use fewer "
            "engines"
        )

    def _end_process(self) -> None:
        """Ends the engine's process, if it is still there: one that hangs hears no request.

        Waits until it has ended, unless the engine is closed meanwhile.
        """
        strategy = NodeAffinitySchedulingStrategy(self._report.node, soft=False)
        remote: Any = ray.remote
        kill = remote(_kill).options(num_cpus=0, scheduling_strategy=strategy, max_retries=0)
        reply, until_s = kill.remote(self._report.process), time.monotonic() + KILL_WITHIN_S
        try:
            while not self._closing.is_set() and time.monotonic() < until_s:
                if ray.wait([reply], timeout=CHECK_S)[0]:
                    ray.get(reply)
                    return
        except RayError as error:
            # Its machine is gone.
            LOGGER.debug("engine %d: %s", self._number, last_line(error))


def _reserves() -> bool:
    """Returns whether an engine waits for devices that Ray is to reserve for its stages."""
    return any(group["state"] == "PENDING" for group in placement_group_table().values())


def _died(error: RayError) -> EngineLost:
    return EngineLost("its process died" if isinstance(error, RayActorError) else last_line(error))


def _kill(process: int) -> None:
    """Ends a process of Ray on this machine, and no other that has got its number meanwhile."""
    name = Path(f"/proc/{process}/cmdline")
    if name.parents[1].is_dir() and not (name.exists() and b"ray::" in name.read_bytes()):
        return
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return


def _copy(value: Tensor) -> Tensor:
    copy = value.copy()
    if isinstance(copy, np.ndarray):
        copy.flags.writeable = False
    return copy
