"""The Ray runner: one actor a replica of a stage, on any machine of a cluster.

Messages travel through Ray's object store, one Arrow buffer each, from the actor that makes one to
the actors that read it; this process sends references, and fetches only the outputs and the state.
Actors may die at any time: Ray restarts them, and this process requests the ticks in flight again
from the last state that it has. As stages are pure, the bytes are the same; as actors keep their
recent outputs, only lost ones are computed again.
"""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import ray
from ray.exceptions import GetTimeoutError, RayError
from ray.util.placement_group import remove_placement_group

from soundstage.graph import wire
from soundstage.graph.plan import Graph
from soundstage.graph.port import Tensor
from soundstage.graph.state import State, stack_controls
from soundstage.runners.hosts.host import REMEMBERED
from soundstage.runners.in_flight import TicksInFlight, next_state, outputs_of
from soundstage.runners.lifetime import Lifetime
from soundstage.runners.local import default_tick
from soundstage.runners.ray.actor import SHORT_CALLS, StageCall, StageReport
from soundstage.runners.ray.building import build_stages, last_line, make_actor
from soundstage.runners.ray.connection import cluster
from soundstage.runners.ray.placement import Slot, plan_slots, reserve
from soundstage.runners.ray.pool import ActorPool, Reference, are_alive
from soundstage.runners.runner import Chunk, StageFailed, Tick
from soundstage.runners.spans import now_s
from soundstage.runners.wiring import (
    CONTROLS,
    MessageOrigin,
    origins,
    ports_of,
    split,
    state_messages,
)

if TYPE_CHECKING:
    import pyarrow as pa

ATTEMPTS = 5  # how often in a row a tick is requested before it fails


@dataclass(frozen=True)
class RaySettings:
    """Settings of a Ray runner.

    Attributes:
        address: a running cluster; None starts a local one until the runner is closed.
        placement_timeout_s: the longest wait for the cluster to reserve resources.
        stage_timeout_s: the longest time of one stage for one tick, building and compiling
            included; a stage that takes longer counts as hanging.
        dashboard: whether a local cluster serves Ray's dashboard.
        window: ticks in flight at once, for runs whose controls are known beforehand.
    """

    address: str | None = None
    placement_timeout_s: float = 60.0
    stage_timeout_s: float = 600.0
    dashboard: bool = False
    window: int = 4


@dataclass(frozen=True)
class _ReplicaCall:
    """The request to one replica in one tick: references to its message and its report."""

    message: Reference
    report: Reference


@dataclass(frozen=True)
class _RayTick:
    """One tick in flight."""

    number: int
    tick: Tick
    controls: Reference
    calls: Mapping[str, tuple[_ReplicaCall, ...]]


class _Lost(Exception):
    """A message was lost because a process died."""

    def __init__(self, stage: str, error: RayError) -> None:
        self.stage = stage
        super().__init__(last_line(error))


class RayRunner:
    """Runs a graph as Ray actors."""

    def __init__(self, graph: Graph, settings: RaySettings | None = None):
        """Starts a cluster or connects to one, reserves resources and builds every stage.

        Raises:
            ClusterError: there is no cluster.
            PipelineError: the cluster lacks resources that the placement needs, or JAX cannot use
                a GPU or TPU that the cluster has.
            Exception: any error of a stage's constructor, e.g. `WeightsError`.
        """
        self.graph = graph
        self.settings = settings or RaySettings()
        self.window = self.settings.window
        self._submitting = threading.Lock()
        self._lifetime = Lifetime("runner")
        self._numbers = itertools.count()
        with ExitStack() as opened:
            is_own = opened.enter_context(cluster(self.settings.address, self.settings.dashboard))
            has_gpu = ray.cluster_resources().get("GPU", 0) > 0
            self._plan = plan_slots(graph.nodes.values(), has_gpu)
            self.platforms = frozenset(slot.platform for slot in self._plan.slots)
            self._group = reserve(self._plan, self.settings.placement_timeout_s)
            if self._group is not None:
                opened.callback(remove_placement_group, self._group)
            self._pools: dict[str, ActorPool] = {}
            if not is_own:
                opened.callback(self._kill_all)
            for name in graph.nodes:
                self._pools[name] = self._make_pool(name)
            self._weights = build_stages(self._pools, self.settings.stage_timeout_s)
            self._open = opened.pop_all()

    def weights(self) -> dict[str, dict[str, str]]:
        """Digest and note of every stage that has weights, by stage."""
        return dict(self._weights)

    def stream(
        self, ticks: Iterable[Tick], state: State | None = None, lookahead: int = 0
    ) -> Iterator[Chunk]:
        """Makes one chunk a tick; see `Runner.stream`."""
        in_flight: TicksInFlight[_RayTick] = TicksInFlight(self.graph, state)
        return in_flight.run(ticks, lookahead, self._submit, self._finish, self._cancel)

    def ask(self, stage: str, controls: Mapping[str, Any]) -> Mapping[str, Tensor]:
        """Runs one stage alone for one row of controls; see `Runner.ask`."""
        self._lifetime.check()
        tick = Tick((stage,), (0,), (controls,))
        lonely = _RayTick(next(self._numbers), tick, self._controls(tick), {})
        for _ in range(ATTEMPTS):
            call = next(iter(self._call(stage, self._pools[stage], lonely, {})))
            pending = replace(lonely, calls={stage: (call,)})
            try:
                self._reports(stage, pending)
                (message,) = self._messages(stage, pending)
            except _Lost as error:
                lost = error
                self._await_actors(tick.chunks)
            else:
                ports = self.graph.nodes[stage].outputs
                return wire.decode(ports, message, self.graph.format.dims).values
        raise StageFailed(stage, tick.chunks, f"its process died {ATTEMPTS} times: {lost}")

    def warm_up(self, streams: int = 1) -> None:
        """Makes one chunk with the default controls and discards it, to compile everything."""
        for _ in self.stream([default_tick(self.graph, streams)]):
            pass

    def process_ids(self) -> dict[str, list[int]]:
        """Returns the process ids of the replicas, by stage; waits for restarting actors.

        Raises:
            StageFailed: an actor does not restart within `stage_timeout_s`.
        """
        self._await_actors((0,))
        replies = {name: pool.process_ids() for name, pool in self._pools.items()}
        return {name: ray.get(references) for name, references in replies.items()}

    @property
    def alive(self) -> bool:
        """Whether the processes of all replicas answer now, even while their stages compute."""
        return are_alive(self._pools.values())

    def close(self) -> None:
        """Ends the actors, releases the resources, and ends a cluster that was started here."""
        self._lifetime.closed = True
        if not self._lifetime.forked:
            self._open.close()

    def __enter__(self) -> RayRunner:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _make_pool(self, name: str) -> ActorPool:
        slots = [slot for slot in self._plan.slots if slot.stage == name]
        replicas = self.graph.nodes[name].placement.replicas
        return ActorPool([self._make_actor(slot) for slot in slots], replicas)

    def _make_actor(self, slot: Slot) -> Any:
        # After a death all ticks in flight are requested again: other actors reuse their outputs.
        remembered = max(REMEMBERED, self.settings.window)
        return make_actor(self.graph, slot, self._plan, self._group, remembered)

    @property
    def _timeout(self) -> str:
        return f"{self.settings.stage_timeout_s:g} s"

    def _kill_all(self) -> None:
        for pool in self._pools.values():
            for actor in pool.actors:
                ray.kill(actor)

    def _submit(self, tick: Tick, before: State | _RayTick) -> _RayTick:
        self._lifetime.check()
        if isinstance(before, _RayTick):
            past = {name: [call.message for call in calls] for name, calls in before.calls.items()}
        else:
            messages = state_messages(self.graph, before)
            past = {name: [ray.put(buffer)] for name, buffer in messages.items()}
        calls: dict[str, tuple[_ReplicaCall, ...]] = {}
        pending = _RayTick(next(self._numbers), tick, self._controls(tick), calls)
        # Actors get their requests in this order: those of two ticks must not interleave.
        with self._submitting:
            for name, pool in self._pools.items():
                calls[name] = tuple(self._call(name, pool, pending, past))
        return pending

    def _controls(self, tick: Tick) -> Reference:
        """Puts the controls of a tick into the object store, as one message."""
        values = stack_controls(self.graph, tick.controls)
        ports, dims = ports_of(self.graph, CONTROLS), self.graph.format.dims
        return ray.put(wire.encode(ports, values, tick.streams, tick.chunks, dims))

    def _call(
        self, name: str, pool: ActorPool, pending: _RayTick, past: Mapping[str, list[Reference]]
    ) -> Iterator[_ReplicaCall]:
        tick = pending.tick
        by_origin = [
            _references(origin, pending, past) for origin in origins(self.graph.nodes[name])
        ]
        buffers = [buffer for parts in by_origin for buffer in parts]
        parts = tuple(len(parts) for parts in by_origin)

        def call(actor: Any, rows: slice) -> _ReplicaCall:
            span = (rows.start, rows.stop)
            request = StageCall(tick.streams, tick.chunks, span, parts, pending.number, now_s())
            return _ReplicaCall(*actor.answer.options(num_returns=2).remote(request, *buffers))

        shares = split(len(tick.streams), len(pool.active))
        for actor, rows in zip(pool.active, shares, strict=False):  # few rows leave some idle
            yield call(actor, rows)
        pool.warm_spares(lambda spare: call(spare, shares[0]).report)

    def _finish(self, in_flight: TicksInFlight[_RayTick]) -> Chunk:
        """Waits for every stage of the first tick in flight; requests lost messages again."""
        for attempt in range(ATTEMPTS):
            first = in_flight.pending[0]
            try:
                return self._fetch(first)
            except _Lost as lost:
                if attempt == ATTEMPTS - 1:
                    reason = f"its process died {ATTEMPTS} times: {lost}"
                    raise StageFailed(lost.stage, first.tick.chunks, reason) from lost
            with self._submitting:
                for pool in self._pools.values():
                    pool.replace_dead()
            self._await_actors(first.tick.chunks)
            self._submit_again(in_flight)
        raise AssertionError("the last attempt returns or raises")

    def _await_actors(self, chunks: tuple[int, ...]) -> None:
        """Waits until every actor is alive; Ray restarts those that died.

        Args:
            chunks: the chunks of the tick, quoted in errors.

        Raises:
            StageFailed: an actor does not restart within `stage_timeout_s`.
        """
        deadline_s = now_s() + self.settings.stage_timeout_s
        for name, pool in self._pools.items():
            if not pool.wait(deadline_s):
                reason = f"its process died and did not restart within {self._timeout}"
                raise StageFailed(name, chunks, reason)

    def _submit_again(self, in_flight: TicksInFlight[_RayTick]) -> None:
        """Submits every tick in flight again, from the last state.

        The earlier requests are not cancelled: actors keep their outputs and reuse them.
        """
        lost, in_flight.pending = in_flight.pending, deque()
        for pending in lost:
            in_flight.pending.append(self._submit(pending.tick, in_flight.before(pending.tick)))

    def _cancel(self, pending: _RayTick) -> None:
        """Cancels the calls of a tick that no actor has started."""
        # A stream may be closed after its runner; any call would then start a new cluster.
        if self._lifetime.closed or not ray.is_initialized():
            return
        for pool in self._pools.values():
            for actor in pool.actors:
                actor.cancel.options(concurrency_group=SHORT_CALLS).remote(pending.number)

    def _fetch(self, pending: _RayTick) -> Chunk:
        reports = {name: self._reports(name, pending) for name in self.graph.nodes}
        needed = {source.stage for source in self.graph.outputs.values()}
        needed |= {source.stage for source in self.graph.feedback().values()}
        messages = {name: self._messages(name, pending) for name in needed}
        return Chunk(
            self.graph,
            self.weights(),
            pending.tick,
            {name: _copy(value) for name, value in outputs_of(self.graph, messages).items()},
            next_state(self.graph, pending.tick, messages),
            {name: max(report.seconds for report in parts) for name, parts in reports.items()},
            _Messages(pending),
            tuple(span for parts in reports.values() for report in parts for span in report.spans),
        )

    def _reports(self, name: str, pending: _RayTick) -> list[StageReport]:
        """Waits for one stage, whose origins have answered, so that only it can be slow."""
        try:
            reports: list[StageReport] = ray.get(
                [call.report for call in pending.calls[name]],
                timeout=self.settings.stage_timeout_s,
            )
        except GetTimeoutError as error:
            self._replace(name)
            reason = f"no answer within {self._timeout}; its process was restarted"
            raise StageFailed(name, pending.tick.chunks, reason) from error
        except RayError as error:
            raise _Lost(name, error) from error
        for report in reports:
            if report.failure is not None:
                raise report.failure
        return reports

    def _messages(self, name: str, pending: _RayTick) -> list[pa.Buffer]:
        try:
            return ray.get([call.message for call in pending.calls[name]])
        except RayError as error:
            raise _Lost(name, error) from error

    def _replace(self, name: str) -> None:
        """Replaces all actors of a hanging stage; a restarted actor would get its calls again."""
        for actor in self._pools[name].actors:
            ray.kill(actor)
        self._pools[name] = self._make_pool(name)


class _Messages(Mapping[str, "pa.Buffer"]):
    """The messages of a tick by stage, fetched from the object store when they are read."""

    def __init__(self, pending: _RayTick) -> None:
        self._tick = pending

    def __getitem__(self, name: str) -> pa.Buffer:
        if not ray.is_initialized():
            raise LookupError(
                f"the message of stage {name!r} is lost, because the Ray cluster is closed; read "
                "messages before you close the runner"
            )
        if name == CONTROLS:
            return ray.get(self._tick.controls)
        return wire.join(ray.get([call.message for call in self._tick.calls[name]]))

    def __iter__(self) -> Iterator[str]:
        yield CONTROLS
        yield from self._tick.calls

    def __len__(self) -> int:
        return 1 + len(self._tick.calls)


def _copy(value: Tensor) -> Tensor:
    """Returns a read-only copy, so that a chunk does not keep memory of the object store."""
    copy = value.copy()
    if isinstance(copy, np.ndarray):
        copy.flags.writeable = False
    return copy


def _references(
    origin: MessageOrigin, pending: _RayTick, past: Mapping[str, list[Reference]]
) -> list[Reference]:
    """Returns references to the messages of an origin, one for each replica."""
    if origin.stage == CONTROLS:
        return [pending.controls]
    if origin.past:
        return past[origin.stage]
    return [call.message for call in pending.calls[origin.stage]]
