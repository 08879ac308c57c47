"""The in-process runner: one thread a stage, messages in memory."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from graph import wire
from graph.plan import CLOCK, FromClock, FromControl, FromPast, FromStage, Graph, Node, Source
from graph.port import Tensor
from graph.state import State, initial, stack_controls
from runners.compilation import use_compilation_cache
from runners.devices import find_device
from runners.host import Answer, Host
from runners.runner import Chunk, Tick
from runners.spans import SpanRecorder

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class _Flight:
    """One tick under way: what it was asked, and each stage's promised answer."""

    tick: Tick
    controls: pa.Buffer
    answers: Mapping[str, Future[Answer]]


class LocalRunner:
    """Runs a graph in this process.

    Readiness is per port: a stage starts as soon as the answers it reads are there, whichever
    tick they belong to. Each stage has a thread of its own, so the codec of one tick runs beside
    the transformer of the next, and a stage meets its ticks in order.
    """

    def __init__(self, graph: Graph):
        """Builds every stage, several at a time.

        Raises:
            NoDevice: a stage is placed on a device that is not here.
            Exception: whatever a stage's constructor raises, e.g. `WeightsError`.
        """
        use_compilation_cache()
        self.graph = graph
        self._ports = {name: control.port for name, control in graph.controls.items()}
        devices = {node.name: find_device(node.device) for node in graph.nodes.values()}
        with ThreadPoolExecutor(thread_name_prefix="build") as builders:
            built = {
                name: builders.submit(Host, node, graph.format, devices[name])
                for name, node in graph.nodes.items()
            }
        self.hosts = {name: future.result() for name, future in built.items()}
        self._threads = {
            name: ThreadPoolExecutor(1, thread_name_prefix=f"stage-{name}") for name in graph.nodes
        }
        # Two sessions on one runner must queue whole ticks, each stage in the same order:
        # otherwise two stages could wait for each other's threads.
        self._submitting = threading.Lock()

    def weights(self) -> dict[str, dict[str, str]]:
        """Digest and note of every stage that has weights, by stage."""
        found = {name: host.weights for name, host in self.hosts.items()}
        return {name: weights for name, weights in found.items() if weights}

    def stream(
        self, ticks: Iterable[Tick], state: State | None = None, lookahead: int = 0
    ) -> Iterator[Chunk]:
        """Makes one chunk a tick; see `Runner.stream`."""
        if lookahead < 0:
            raise ValueError(f"lookahead must be at least 0, got {lookahead}")
        flights: deque[_Flight] = deque()
        source = iter(ticks)
        previous: State | _Flight | None = state
        try:
            while True:
                while len(flights) <= lookahead:
                    tick = next(source, None)
                    if tick is None:
                        break
                    flight = self._submit(tick, previous or initial(self.graph, tick.streams))
                    flights.append(flight)
                    previous = flight
                if not flights:
                    return
                yield self._land(flights[0])
                flights.popleft()
        finally:
            for flight in flights:
                for answer in flight.answers.values():
                    answer.cancel()

    def warm_up(self, streams: int = 1) -> None:
        """Makes and throws away one chunk of default controls, so that everything is compiled."""
        names = tuple(f"warm-up {row}" for row in range(streams))
        defaults = {name: control.default for name, control in self.graph.controls.items()}
        for _ in self.stream([Tick(names, (0,) * streams, (defaults,) * streams)]):
            pass

    def close(self) -> None:
        """Stops the stages' threads."""
        for thread in self._threads.values():
            thread.shutdown(wait=True, cancel_futures=True)

    def __enter__(self) -> LocalRunner:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _submit(self, tick: Tick, previous: State | _Flight) -> _Flight:
        controls = stack_controls(self.graph, tick.controls)
        dims = self.graph.format.dims
        message = wire.encode(self._ports, controls, tick.streams, tick.chunks, dims)
        answers: dict[str, Future[Answer]] = {}
        flight = _Flight(tick, message, answers)
        with self._submitting:
            for name, node in self.graph.nodes.items():
                thread = self._threads[name]
                answers[name] = thread.submit(self._run, node, flight, previous)
        return flight

    def _run(self, node: Node, flight: _Flight, previous: State | _Flight) -> Answer:
        """One stage in one tick, on the stage's thread; waits for the answers it reads."""
        recorder = SpanRecorder(node.name, 0, flight.tick.chunks[0])
        with recorder.measure("queue"):
            for source in node.sources.values():
                _wait_for(source, flight, previous)
        with recorder.measure("transfer"):
            inputs = {
                name: self._input(source, flight, previous) for name, source in node.sources.items()
            }
        answer = self.hosts[node.name].answer(inputs, flight.tick.streams, flight.tick.chunks)
        return replace(answer, spans=(*recorder.spans, *answer.spans))

    def _input(self, source: Source, flight: _Flight, previous: State | _Flight) -> Tensor:
        if isinstance(source, FromControl):
            return self._read(self._ports, flight.controls, source.name)
        if isinstance(source, FromClock):
            return np.array(flight.tick.chunks, CLOCK[source.name].dtype)
        if isinstance(source, FromPast) and isinstance(previous, State):
            value = previous.values[str(source)].view()
            value.flags.writeable = False
            return value
        origin = previous if isinstance(source, FromPast) else flight
        assert isinstance(origin, _Flight)
        return self._value(origin, source)

    def _value(self, flight: _Flight, source: FromStage | FromPast) -> Tensor:
        buffer = flight.answers[source.stage].result().buffer
        return self._read(self.graph.nodes[source.stage].outputs, buffer, source.port)

    def _read(self, ports: Mapping[str, Any], buffer: pa.Buffer, name: str) -> Tensor:
        return wire.decode(ports, buffer, self.graph.format.dims, only=[name]).values[name]

    def _land(self, flight: _Flight) -> Chunk:
        """Waits for every stage of a tick; until then, nothing has happened."""
        answers = {name: future.result() for name, future in flight.answers.items()}
        tick = flight.tick
        state = State(
            tick.streams,
            tuple(chunk + 1 for chunk in tick.chunks),
            {
                name: np.asarray(self._value(flight, source))
                for name, source in self.graph.feedback().items()
            },
        )
        return Chunk(
            tick,
            {name: self._value(flight, source) for name, source in self.graph.outputs.items()},
            state,
            {name: answer.seconds for name, answer in answers.items()},
            {"in": flight.controls} | {name: answer.buffer for name, answer in answers.items()},
            tuple(span for answer in answers.values() for span in answer.spans),
        )


def _wait_for(source: Source, flight: _Flight, previous: State | _Flight) -> None:
    """Waits until the stage that feeds an input has answered, in whichever tick that is."""
    if isinstance(source, FromStage):
        flight.answers[source.stage].result()
    elif isinstance(source, FromPast) and isinstance(previous, _Flight):
        previous.answers[source.stage].result()
