"""The in-process runner: values pass from stage to stage in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from soundstage.graph.declaration import memo_of
from soundstage.graph.plan import Graph, Node
from soundstage.graph.port import Tensor
from soundstage.graph.state import State
from soundstage.runners.compilation import use_compilation_cache
from soundstage.runners.devices import find_devices, needs_device
from soundstage.runners.hosts.device_arrays import on_host
from soundstage.runners.hosts.host import REMEMBERED, Answer, Host
from soundstage.runners.in_flight import TicksInFlight
from soundstage.runners.lifetime import Lifetime, check_not_forked
from soundstage.runners.local_tasks import (
    GivenValues,
    LocalStage,
    LocalTick,
    Results,
    TaskThreads,
    spans_of,
)
from soundstage.runners.local_values import Controls, HostValues, LocalMessages, StateLayout, read
from soundstage.runners.runner import Chunk, Tick
from soundstage.runners.spans import now_s
from soundstage.runners.wiring import CONTROLS, fed_by_controls

if TYPE_CHECKING:
    import jax

WINDOW = 2


class LocalRunner:
    """Runs a graph in this process.

    Readiness is per port: a stage starts as soon as the values that it reads are ready, of this
    tick or the one before. Each replica of a stage has its own thread, so that the codec of one
    tick runs in parallel with the transformer of the next. Stages that take less than a millisecond
    share threads. No thread of the caller runs a stage: its signals, and settings of JAX that hold
    for a thread, do not reach one.
    """

    def __init__(
        self,
        graph: Graph,
        window: int = WINDOW,
        remembered: int = REMEMBERED,
        validate: bool = False,
    ):
        """Builds every stage, several at a time.

        Args:
            graph: the graph to run.
            window: ticks in flight at once, for runs whose controls are known beforehand.
            remembered: the number of recent outputs that a stage keeps if only controls feed it,
                and of memos that one keeps which has a memo.
            validate: whether every stage is called twice and its outputs compared.

        Raises:
            NoDevice: a stage is placed on a device that this machine does not have.
            ForkedProcess: this process was forked from one with JAX.
            Exception: any error of a stage's constructor, e.g. `WeightsError`.
        """
        check_not_forked()
        self.graph = graph
        self._lifetime = Lifetime("runner")
        self.window = window
        self._controls = Controls(graph)
        self._state = StateLayout(graph)
        devices = {name: _devices(node) for name, node in graph.nodes.items()}
        found = [device for each in devices.values() for device in each]
        if any(device is not None for device in found):
            use_compilation_cache()  # loads JAX
        self.platforms = frozenset("cpu" if each is None else each.platform for each in found)
        self.hosts = _build(graph, devices, remembered, validate)
        self._stages = {
            name: LocalStage(graph.nodes[name], hosts) for name, hosts in self.hosts.items()
        }
        self._threads = TaskThreads(self._stages, self._lifetime)
        self._weights: dict[str, dict[str, str]] | None = None

    def weights(self) -> dict[str, dict[str, str]]:
        """Digest and note of every stage that has weights, by stage."""
        if self._weights is None:
            by_stage = {name: hosts[0].weights for name, hosts in self.hosts.items()}
            self._weights = {name: weights for name, weights in by_stage.items() if weights}
        return self._weights

    def stream(
        self, ticks: Iterable[Tick], state: State | None = None, lookahead: int = 0
    ) -> Iterator[Chunk]:
        """Makes one chunk a tick; see `Runner.stream`."""
        in_flight: TicksInFlight[LocalTick] = TicksInFlight(self.graph, state)
        return in_flight.run(ticks, lookahead, self._submit, self._first_chunk, LocalTick.cancel)

    def begin(self, tick: Tick, state: State) -> BegunLocalTick:
        """Begins a tick; see `OverlappingRunner.begin`."""
        return BegunLocalTick(self._submit(tick, state), self._submit, self._finish)

    def ask(self, stage: str, controls: Mapping[str, Any]) -> Mapping[str, Tensor]:
        """Runs one stage alone for one row of controls; see `Runner.ask`."""
        self._lifetime.check()
        values = self._controls.stack([controls])
        inputs = {
            entry.name: values[entry.leaf]
            for entry in self._stages[stage].reads
            if entry.stage == CONTROLS
        }
        return on_host(self.hosts[stage][0].answer(inputs, (0,)).values)

    def warm_up(self, streams: int = 1) -> None:
        """Makes one chunk with the default controls and discards it, to compile everything."""
        for _ in self.stream([default_tick(self.graph, streams)]):
            pass

    def close(self) -> None:
        """Stops the stages' threads. Idempotent."""
        self._lifetime.closed = True
        if not self._lifetime.forked:
            self._threads.close()

    def __enter__(self) -> LocalRunner:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _submit(self, tick: Tick, before: State | LocalTick) -> LocalTick:
        self._lifetime.check()
        if isinstance(before, LocalTick):
            past: Results = before.tasks
        else:
            values = self._state.by_stage(before)
            past = {stage: (GivenValues(Answer(ports, 0.0)),) for stage, ports in values.items()}
        clock = np.array(tick.chunks, np.int64)
        clock.flags.writeable = False
        pending = LocalTick(tick, self._controls.stack(tick.controls), clock, past, now_s())
        self._threads.submit(pending)
        return pending

    def _first_chunk(self, in_flight: TicksInFlight[LocalTick]) -> Chunk:
        return self._finish(in_flight.pending[0])

    def _finish(self, pending: LocalTick) -> Chunk:
        """Waits for every stage of a tick."""
        pending.ended.wait()
        tick = pending.tick
        answers = {name: [task.result for task in tasks] for name, tasks in pending.tasks.items()}
        parts = {name: [answer.values for answer in each] for name, each in answers.items()}
        state = {
            name: read(parts[source.stage], source.port) for name, source in self._state.feedback
        }
        outputs = {
            name: read(parts[source.stage], source.port)
            for name, source in self.graph.outputs.items()
        }
        return Chunk(
            self.graph,
            self.weights(),
            tick,
            on_host(outputs),
            State(tick.streams, tuple(chunk + 1 for chunk in tick.chunks), HostValues(state)),
            {name: max(answer.seconds for answer in each) for name, each in answers.items()},
            LocalMessages(self.graph, tick, pending.controls, parts),
            tuple(spans_of(pending)),
        )


@dataclass(frozen=True, eq=False)
class BegunLocalTick:
    """A tick in flight that another one may follow; see `BegunTick`."""

    _pending: LocalTick
    _submit: Callable[[Tick, LocalTick], LocalTick]
    _finish: Callable[[LocalTick], Chunk]

    def follow(self, tick: Tick) -> BegunLocalTick:
        """Begins the next tick of the same streams."""
        return BegunLocalTick(self._submit(tick, self._pending), self._submit, self._finish)

    def chunk(self) -> Chunk:
        """Waits for every stage, and returns the chunk."""
        return self._finish(self._pending)

    def cancel(self) -> None:
        """Drops the calls of stages that have not started."""
        self._pending.cancel()


def _devices(node: Node) -> Sequence[jax.Device | None]:
    """Returns a device for every replica of a stage; None if it uses none, as its class says."""
    return find_devices(node.placement) if needs_device(node) else [None] * node.placement.replicas


def default_tick(graph: Graph, streams: int) -> Tick:
    """Returns the first tick of `streams` streams, with the pipeline's default controls."""
    names = tuple(f"warm-up {row}" for row in range(streams))
    defaults = {name: control.default for name, control in graph.controls.items()}
    return Tick(names, (0,) * streams, (defaults,) * streams)


def _build(
    graph: Graph,
    devices: Mapping[str, Sequence[jax.Device | None]],
    remembered: int,
    validate: bool,
) -> dict[str, list[Host]]:
    """Builds every stage, one for each replica, several at a time."""
    memory = dict.fromkeys(graph.nodes, REMEMBERED)
    memory |= dict.fromkeys(fed_by_controls(graph), remembered)
    with_memo = (name for name, node in graph.nodes.items() if memo_of(node.cls))
    memory |= dict.fromkeys(with_memo, max(remembered, REMEMBERED))
    with ThreadPoolExecutor(thread_name_prefix="build") as builders:
        built = {
            name: [
                builders.submit(Host, node, graph.format, device, replica, memory[name], validate)
                for replica, device in enumerate(devices[name])
            ]
            for name, node in graph.nodes.items()
        }
    return {name: [host.result() for host in hosts] for name, hosts in built.items()}
