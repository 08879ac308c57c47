"""The in-process runner: one thread a replica of a stage, messages in memory."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from soundstage.graph import wire
from soundstage.graph.plan import Graph, Node
from soundstage.graph.port import Tensor
from soundstage.graph.state import State, stack_controls
from soundstage.runners.compilation import use_compilation_cache
from soundstage.runners.devices import find_devices
from soundstage.runners.host import REMEMBERED, Answer, Host
from soundstage.runners.in_flight import TicksInFlight, next_state, outputs_of
from soundstage.runners.lifetime import Lifetime, check_not_forked
from soundstage.runners.runner import Chunk, Tick
from soundstage.runners.spans import SpanRecorder
from soundstage.runners.wiring import (
    CONTROLS,
    MessageOrigin,
    Wiring,
    fed_by_controls,
    origins,
    ports_of,
    split,
    state_messages,
)

if TYPE_CHECKING:
    import jax
    import pyarrow as pa

WINDOW = 2
# By stage, the future answers of its replicas in one tick.
_Answers: TypeAlias = Mapping[str, tuple["Future[Answer]", ...]]


@dataclass(frozen=True)
class _LocalTick:
    """One tick in flight: its controls as a message, and the future answers of its stages."""

    tick: Tick
    controls: pa.Buffer
    answers: _Answers


class LocalRunner:
    """Runs a graph in this process.

    Readiness is per port: a stage starts as soon as the messages that it reads are ready, of this
    tick or the one before. Each replica of a stage has its own thread, so that the codec of one
    tick runs in parallel with the transformer of the next, and a stage gets its ticks in order.
    """

    def __init__(self, graph: Graph, window: int = WINDOW, remembered: int = REMEMBERED):
        """Builds every stage, several at a time.

        Args:
            graph: the graph to run.
            window: ticks in flight at once, for runs whose controls are known beforehand.
            remembered: the number of recent outputs that a stage keeps if only controls feed it.

        Raises:
            NoDevice: a stage is placed on a device that this machine does not have.
            ForkedProcess: this process was forked from one with JAX.
            Exception: any error of a stage's constructor, e.g. `WeightsError`.
        """
        check_not_forked()
        self.graph = graph
        self._lifetime = Lifetime("runner")
        self.window = window
        self._wirings = {name: Wiring.of(graph, node) for name, node in graph.nodes.items()}
        devices = {name: _devices(node) for name, node in graph.nodes.items()}
        if any(device is not None for found in devices.values() for device in found):
            use_compilation_cache()  # loads JAX
        self.platforms = frozenset(
            "cpu" if device is None else device.platform
            for found in devices.values()
            for device in found
        )
        memory = dict.fromkeys(graph.nodes, REMEMBERED)
        memory |= dict.fromkeys(fed_by_controls(graph), remembered)
        with ThreadPoolExecutor(thread_name_prefix="build") as builders:
            built = {
                name: [
                    builders.submit(Host, node, graph.format, device, replica, memory[name])
                    for replica, device in enumerate(devices[name])
                ]
                for name, node in graph.nodes.items()
            }
        self.hosts = {name: [host.result() for host in hosts] for name, hosts in built.items()}
        self._threads = {
            name: [ThreadPoolExecutor(1, thread_name_prefix=f"stage-{name}") for _ in hosts]
            for name, hosts in self.hosts.items()
        }
        # Sessions that share a runner must queue whole ticks, in the same order at every stage;
        # otherwise two stages could wait for each other's threads.
        self._submitting = threading.Lock()

    def weights(self) -> dict[str, dict[str, str]]:
        """Digest and note of every stage that has weights, by stage."""
        by_stage = {name: hosts[0].weights for name, hosts in self.hosts.items()}
        return {name: weights for name, weights in by_stage.items() if weights}

    def stream(
        self, ticks: Iterable[Tick], state: State | None = None, lookahead: int = 0
    ) -> Iterator[Chunk]:
        """Makes one chunk a tick; see `Runner.stream`."""
        in_flight: TicksInFlight[_LocalTick] = TicksInFlight(self.graph, state)
        return in_flight.run(ticks, lookahead, self._submit, self._finish, _cancel)

    def ask(self, stage: str, controls: Mapping[str, Any]) -> Mapping[str, Tensor]:
        """Runs one stage alone for one row of controls; see `Runner.ask`."""
        self._lifetime.check()
        tick = Tick((stage,), (0,), (controls,))
        ports, wiring = ports_of(self.graph, CONTROLS), self._wirings[stage]
        values = stack_controls(self.graph, tick.controls)
        dims = self.graph.format.dims
        message = wire.encode(ports, values, tick.streams, tick.chunks, dims)
        inputs = wiring.gather({MessageOrigin(CONTROLS, past=False): [message]}, tick.chunks)
        answer = self.hosts[stage][0].answer(inputs, tick.streams, tick.chunks)
        return wire.decode(wiring.node.outputs, answer.buffer, dims).values

    def warm_up(self, streams: int = 1) -> None:
        """Makes one chunk with the default controls and discards it, to compile everything."""
        for _ in self.stream([default_tick(self.graph, streams)]):
            pass

    def close(self) -> None:
        """Stops the stages' threads. Idempotent."""
        self._lifetime.closed = True
        if self._lifetime.forked:
            return
        for threads in self._threads.values():
            for thread in threads:
                thread.shutdown(wait=True, cancel_futures=True)

    def __enter__(self) -> LocalRunner:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _submit(self, tick: Tick, before: State | _LocalTick) -> _LocalTick:
        self._lifetime.check()
        controls = stack_controls(self.graph, tick.controls)
        dims, ports = self.graph.format.dims, ports_of(self.graph, CONTROLS)
        message = wire.encode(ports, controls, tick.streams, tick.chunks, dims)
        past = before.answers if isinstance(before, _LocalTick) else _answers(self.graph, before)
        answers: dict[str, tuple[Future[Answer], ...]] = {}
        pending = _LocalTick(tick, message, answers)
        with self._submitting:
            for name, threads in self._threads.items():
                rows = split(len(tick.streams), len(threads))
                answers[name] = tuple(
                    threads[replica].submit(self._run, name, replica, part, pending, past)
                    for replica, part in enumerate(rows)
                )
        return pending

    def _run(
        self, name: str, replica: int, rows: slice, pending: _LocalTick, past: _Answers
    ) -> Answer:
        """Runs one replica for one tick, on its thread; waits for the answers that it reads."""
        tick, wiring = pending.tick, self._wirings[name]
        recorder = SpanRecorder(name, replica, tick.chunks[rows][0])
        with recorder.measure("queue"):
            messages = {origin: _buffers(origin, pending, past) for origin in origins(wiring.node)}
        with recorder.measure("transfer"):
            inputs = wiring.gather(messages, tick.chunks, rows)
        host = self.hosts[name][replica]
        answer = host.answer(inputs, tick.streams[rows], tick.chunks[rows])
        return replace(answer, spans=(*recorder.spans, *answer.spans))

    def _finish(self, in_flight: TicksInFlight[_LocalTick]) -> Chunk:
        """Waits for every stage of the first tick in flight."""
        first = in_flight.pending[0]
        answers = {name: [part.result() for part in parts] for name, parts in first.answers.items()}
        buffers = {name: [answer.buffer for answer in parts] for name, parts in answers.items()}
        messages = {name: wire.join(parts) for name, parts in buffers.items()}
        return Chunk(
            self.graph,
            self.weights(),
            first.tick,
            outputs_of(self.graph, buffers),
            next_state(self.graph, first.tick, buffers),
            {name: max(answer.seconds for answer in parts) for name, parts in answers.items()},
            {CONTROLS: first.controls} | messages,
            tuple(span for parts in answers.values() for answer in parts for span in answer.spans),
        )


def _devices(node: Node) -> Sequence[jax.Device | None]:
    """Returns a device for every replica of a stage; None if it uses none, as its class says."""
    if not getattr(node.cls, "uses_device", True) and node.placement.device in ("auto", "cpu"):
        return [None] * node.placement.replicas
    return find_devices(node.placement)


def default_tick(graph: Graph, streams: int) -> Tick:
    """Returns the first tick of `streams` streams, with the pipeline's default controls."""
    names = tuple(f"warm-up {row}" for row in range(streams))
    defaults = {name: control.default for name, control in graph.controls.items()}
    return Tick(names, (0,) * streams, (defaults,) * streams)


def _answers(graph: Graph, state: State) -> _Answers:
    """Returns a state as answers that are ready."""
    answers = {}
    for stage, buffer in state_messages(graph, state).items():
        answer: Future[Answer] = Future()
        answer.set_result(Answer(buffer, 0.0, True, ()))
        answers[stage] = (answer,)
    return answers


def _buffers(origin: MessageOrigin, pending: _LocalTick, past: _Answers) -> list[pa.Buffer]:
    """Waits for the messages of an origin, one for each replica."""
    if origin.stage == CONTROLS:
        return [pending.controls]
    parts = (past if origin.past else pending.answers)[origin.stage]
    return [part.result().buffer for part in parts]


def _cancel(pending: _LocalTick) -> None:
    for parts in pending.answers.values():
        for part in parts:
            part.cancel()
