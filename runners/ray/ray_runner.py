"""The Ray runner: one actor a replica of a stage, on any machine of a cluster.

Messages travel through Ray's object store, one Arrow buffer each, from the actor that makes one to
the actors that read it; this process hands out references and fetches only what it must: the
outputs and the state. Actors may die at any time: Ray makes them again, and the ticks under way are
asked for again from the last state that this process holds. As stages are pure, that changes no
byte; as actors remember their last answers, only what died is computed again.
"""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import ray
from ray.exceptions import GetTimeoutError, RayError, RayTaskError
from ray.util.placement_group import remove_placement_group

from soundstage.graph import wire
from soundstage.graph.plan import Graph
from soundstage.graph.port import Tensor
from soundstage.graph.state import State, stack_controls
from soundstage.runners.host import REMEMBERED
from soundstage.runners.in_flight import TicksInFlight, next_state, outputs_of
from soundstage.runners.local import default_tick
from soundstage.runners.ray.actor import ASIDE, StageActor, StageCall, StageReport
from soundstage.runners.ray.connection import cluster
from soundstage.runners.ray.placement import Seat, Seating, actor_options, reserve, seat
from soundstage.runners.ray.pool import ActorPool, Reference
from soundstage.runners.runner import Chunk, StageFailed, Tick
from soundstage.runners.spans import now_s
from soundstage.runners.wiring import (
    CONTROLS,
    MessageOrigin,
    Wiring,
    origins,
    ports_of,
    split,
    state_messages,
)

if TYPE_CHECKING:
    import pyarrow as pa

# How often in a row a tick is asked for again before it is given up.
ATTEMPTS = 5


@dataclass(frozen=True)
class RaySettings:
    """How a Ray runner works.

    Attributes:
        address: a running cluster; None starts a local one for as long as the runner lives.
        placement_timeout_s: how long the cluster may take to set resources aside.
        stage_timeout_s: how long one stage may take for one tick, building and compiling
            included, before it is taken to hang.
        dashboard: whether a local cluster serves Ray's dashboard.
        window: ticks that may be under way at once where nobody steers.
    """

    address: str | None = None
    placement_timeout_s: float = 60.0
    stage_timeout_s: float = 600.0
    dashboard: bool = False
    window: int = 4


@dataclass(frozen=True)
class _ReplicaCall:
    """What one replica was asked in one tick: references to its message and its report."""

    message: Reference
    report: Reference


@dataclass(frozen=True)
class _RayTick:
    """One tick under way."""

    number: int
    tick: Tick
    controls: Reference
    said: Mapping[str, tuple[_ReplicaCall, ...]]


class _Lost(Exception):
    """What a stage said, or was to say, went down with a process."""

    def __init__(self, stage: str, error: RayError) -> None:
        self.stage = stage
        super().__init__(_last_line(error))


class RayRunner:
    """Runs a graph as Ray actors."""

    def __init__(self, graph: Graph, settings: RaySettings | None = None):
        """Starts or joins a cluster, sets resources aside and builds every stage.

        Raises:
            ClusterError: there is no cluster.
            PipelineError: the cluster cannot hold the placement.
            Exception: whatever a stage's constructor raises, e.g. `WeightsError`.
        """
        self.graph = graph
        self.settings = settings or RaySettings()
        self.window = self.settings.window
        self._submitting = threading.Lock()
        self._closed = False
        self._numbers = itertools.count()
        with ExitStack() as opened:
            own = opened.enter_context(cluster(self.settings.address, self.settings.dashboard))
            has_gpu = ray.cluster_resources().get("GPU", 0) > 0
            self._seating: Seating = seat(graph.nodes.values(), has_gpu)
            self._group = reserve(self._seating, self.settings.placement_timeout_s)
            if self._group is not None:
                opened.callback(remove_placement_group, self._group)
            self._crews: dict[str, ActorPool] = {}
            if not own:
                opened.callback(self._kill_all)
            for name in graph.nodes:
                self._crews[name] = self._crew(name)
            self._weights = self._build()
            self._open = opened.pop_all()

    def weights(self) -> dict[str, dict[str, str]]:
        """Digest and note of every stage that has weights, by stage."""
        return dict(self._weights)

    def stream(
        self, ticks: Iterable[Tick], state: State | None = None, lookahead: int = 0
    ) -> Iterator[Chunk]:
        """Makes one chunk a tick; see `Runner.stream`."""
        flights: TicksInFlight[_RayTick] = TicksInFlight(self.graph, state)
        return flights.fly(ticks, lookahead, self._submit, self._land, self._cancel)

    def warm_up(self, streams: int = 1) -> None:
        """Makes and throws away one chunk of default controls, so that everything is compiled."""
        for _ in self.stream([default_tick(self.graph, streams)]):
            pass

    def process_ids(self) -> dict[str, list[int]]:
        """The process behind every replica, by stage; waits for those being made again.

        Raises:
            StageFailed: one does not come back in the time that a stage has.
        """
        self._await_actors((0,))
        asked = {name: crew.process_ids() for name, crew in self._crews.items()}
        return {name: ray.get(replies) for name, replies in asked.items()}

    def close(self) -> None:
        """Ends the actors, gives the resources back, and ends a cluster that was started here."""
        self._closed = True
        self._open.close()

    def __enter__(self) -> RayRunner:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _crew(self, name: str) -> ActorPool:
        seats = [one for one in self._seating.seats if one.stage == name]
        replicas = self.graph.nodes[name].placement.replicas
        return ActorPool([self._make(one) for one in seats], replicas)

    def _make(self, seat: Seat) -> Any:
        node = self.graph.nodes[seat.stage]
        options = actor_options(seat, self._seating, self._group)
        wiring = Wiring.of(self.graph, node)
        remote: Any = ray.remote  # its types do not know of groups
        actor = remote(concurrency_groups={ASIDE: 1})(StageActor).options(**options)
        # After a death every tick under way is asked for again: what is remembered is not lost.
        remembered = max(REMEMBERED, self.settings.window)
        return actor.remote(wiring, self.graph.format, seat.platform, seat.replica, remembered)

    def _build(self) -> dict[str, dict[str, str]]:
        asked = {
            name: [actor.build.remote() for actor in crew.everyone]
            for name, crew in self._crews.items()
        }
        weights = {}
        for name, replies in asked.items():
            try:
                found = ray.get(replies, timeout=self.settings.stage_timeout_s)
            except GetTimeoutError as error:
                raise StageFailed(name, (0,), f"was not built within {self._timeout}") from error
            except RayTaskError as error:
                raise _cause(error) from error
            except RayError as error:
                reason = f"its process did not start: {_last_line(error)}"
                raise StageFailed(name, (0,), reason) from error
            if any(other != found[0] for other in found):
                raise StageFailed(name, (0,), f"its replicas have different weights: {found}")
            if found[0] is not None:
                weights[name] = found[0]
        return weights

    @property
    def _timeout(self) -> str:
        return f"{self.settings.stage_timeout_s:g} s"

    def _kill_all(self) -> None:
        for crew in self._crews.values():
            for actor in crew.everyone:
                ray.kill(actor)

    def _submit(self, tick: Tick, before: State | _RayTick) -> _RayTick:
        controls = stack_controls(self.graph, tick.controls)
        ports, dims = ports_of(self.graph, CONTROLS), self.graph.format.dims
        message = wire.encode(ports, controls, tick.streams, tick.chunks, dims)
        if isinstance(before, _RayTick):
            past = {name: [part.message for part in parts] for name, parts in before.said.items()}
        else:
            messages = state_messages(self.graph, before)
            past = {name: [ray.put(buffer)] for name, buffer in messages.items()}
        said: dict[str, tuple[_ReplicaCall, ...]] = {}
        flight = _RayTick(next(self._numbers), tick, ray.put(message), said)
        # Actors meet their ticks in the order of asking: two streams must not mix theirs.
        with self._submitting:
            for name, crew in self._crews.items():
                said[name] = tuple(self._ask(name, crew, flight, past))
        return flight

    def _ask(
        self, name: str, crew: ActorPool, flight: _RayTick, past: Mapping[str, list[Reference]]
    ) -> Iterator[_ReplicaCall]:
        tick = flight.tick
        told = [_told(origin, flight, past) for origin in origins(self.graph.nodes[name])]
        buffers = [buffer for parts in told for buffer in parts]
        parts = tuple(len(parts) for parts in told)

        def ask(actor: Any, rows: slice) -> _ReplicaCall:
            span = (rows.start, rows.stop)
            request = StageCall(tick.streams, tick.chunks, span, parts, flight.number, now_s())
            return _ReplicaCall(*actor.answer.options(num_returns=2).remote(request, *buffers))

        shares = split(len(tick.streams), len(crew.seated))
        for actor, rows in zip(crew.seated, shares, strict=False):  # few rows leave some idle
            yield ask(actor, rows)
        crew.rehearse(lambda spare: ask(spare, shares[0]).report)

    def _land(self, flights: TicksInFlight[_RayTick]) -> Chunk:
        """Waits for every stage of a tick; what was lost on the way is asked for again."""
        for attempt in range(ATTEMPTS):
            flight = flights.under_way[0]
            try:
                return self._fetch(flight)
            except _Lost as lost:
                if attempt == ATTEMPTS - 1:
                    reason = f"its process died {ATTEMPTS} times: {lost}"
                    raise StageFailed(lost.stage, flight.tick.chunks, reason) from lost
            with self._submitting:
                for crew in self._crews.values():
                    crew.relieve()
            self._await_actors(flight.tick.chunks)
            self._ask_again(flights)
        raise AssertionError("the last attempt returns or raises")

    def _await_actors(self, chunks: tuple[int, ...]) -> None:
        """Waits until every actor lives, as Ray makes those again that died.

        Args:
            chunks: what is being made, for messages.

        Raises:
            StageFailed: one does not come back in the time that a stage has.
        """
        deadline_s = now_s() + self.settings.stage_timeout_s
        for name, crew in self._crews.items():
            if not crew.wait(deadline_s):
                reason = f"its process died and was not back within {self._timeout}"
                raise StageFailed(name, chunks, reason)

    def _ask_again(self, flights: TicksInFlight[_RayTick]) -> None:
        """Asks for every tick under way again, from the last state that is known.

        The former calls are not given up: what an actor finds in its memory, it need not compute.
        """
        asked, flights.under_way = flights.under_way, deque()
        for flight in asked:
            flights.under_way.append(self._submit(flight.tick, flights.before(flight.tick)))

    def _cancel(self, flight: _RayTick) -> None:
        """Gives up what no actor has begun; what one is at, it ends."""
        # A stream may be forgotten after its runner, and Ray starts a cluster for whoever calls.
        if self._closed or not ray.is_initialized():
            return
        for crew in self._crews.values():
            for actor in crew.everyone:
                actor.give_up.options(concurrency_group=ASIDE).remote(flight.number)

    def _fetch(self, flight: _RayTick) -> Chunk:
        reports = {name: self._reports(name, flight) for name in self.graph.nodes}
        needed = {source.stage for source in self.graph.outputs.values()}
        needed |= {source.stage for source in self.graph.feedback().values()}
        said = {name: self._messages(name, flight) for name in needed}
        return Chunk(
            flight.tick,
            {name: _own(value) for name, value in outputs_of(self.graph, said).items()},
            next_state(self.graph, flight.tick, said),
            {name: max(report.seconds for report in parts) for name, parts in reports.items()},
            _Messages(flight),
            tuple(span for parts in reports.values() for one in parts for span in one.spans),
        )

    def _reports(self, name: str, flight: _RayTick) -> list[StageReport]:
        """Waits for one stage; those before it have answered, so what takes long is this one."""
        try:
            reports: list[StageReport] = ray.get(
                [part.report for part in flight.said[name]], timeout=self.settings.stage_timeout_s
            )
        except GetTimeoutError as error:
            self._replace(name)
            reason = f"no answer within {self._timeout}; its process was ended and made again"
            raise StageFailed(name, flight.tick.chunks, reason) from error
        except RayError as error:
            raise _Lost(name, error) from error
        for report in reports:
            if report.failure is not None:
                raise report.failure
        return reports

    def _messages(self, name: str, flight: _RayTick) -> list[pa.Buffer]:
        try:
            return ray.get([part.message for part in flight.said[name]])
        except RayError as error:
            raise _Lost(name, error) from error

    def _replace(self, name: str) -> None:
        """New actors in the seats of a stage that hangs; Ray would ask a restarted one again."""
        for actor in self._crews[name].everyone:
            ray.kill(actor)
        self._crews[name] = self._crew(name)


class _Messages(Mapping[str, "pa.Buffer"]):
    """What every stage said in a tick; fetched from the store when it is looked at."""

    def __init__(self, flight: _RayTick) -> None:
        self._flight = flight

    def __getitem__(self, name: str) -> pa.Buffer:
        if not ray.is_initialized():
            raise LookupError(f"what {name!r} said went with the cluster that its runner closed")
        if name == CONTROLS:
            return ray.get(self._flight.controls)
        return wire.join(ray.get([part.message for part in self._flight.said[name]]))

    def __iter__(self) -> Iterator[str]:
        yield CONTROLS
        yield from self._flight.said

    def __len__(self) -> int:
        return 1 + len(self._flight.said)


def _own(value: Tensor) -> Tensor:
    """A copy, so that a chunk that is kept does not hold the store's memory; read-only."""
    own = value.copy()
    if isinstance(own, np.ndarray):
        own.flags.writeable = False
    return own


def _told(
    origin: MessageOrigin, flight: _RayTick, past: Mapping[str, list[Reference]]
) -> list[Reference]:
    """References to what an origin says; a part a replica."""
    if origin.stage == CONTROLS:
        return [flight.controls]
    if origin.past:
        return past[origin.stage]
    return [part.message for part in flight.said[origin.stage]]


def _cause(error: RayTaskError) -> Exception:
    """What was raised in the actor."""
    cause = error.cause
    return cause if isinstance(cause, Exception) else RuntimeError(_last_line(error))


def _last_line(error: BaseException) -> str:
    """Where Python's tracebacks, of which Ray's messages are full, say what happened."""
    return (str(error) or type(error).__name__).strip().splitlines()[-1]
