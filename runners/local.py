"""The in-process runner: one thread a replica of a stage, messages in memory."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from soundstage.graph import wire
from soundstage.graph.plan import Graph
from soundstage.graph.port import Tensor
from soundstage.graph.state import State, stack_controls
from soundstage.runners.compilation import use_compilation_cache
from soundstage.runners.devices import find_devices
from soundstage.runners.host import REMEMBERED, Answer, Host
from soundstage.runners.in_flight import TicksInFlight, next_state, outputs_of
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
    import pyarrow as pa

WINDOW = 2
# What every stage said or will say in one tick, a part a replica.
_Said: TypeAlias = Mapping[str, tuple["Future[Answer]", ...]]


@dataclass(frozen=True)
class _LocalTick:
    """One tick under way: what it was asked, and each stage's promised answer."""

    tick: Tick
    controls: pa.Buffer
    said: _Said


class LocalRunner:
    """Runs a graph in this process.

    Readiness is per port: a stage starts as soon as the answers it reads are there, whichever
    tick they belong to. Each replica of a stage has a thread of its own, so the codec of one tick
    runs beside the transformer of the next, and a stage meets its ticks in order.
    """

    def __init__(self, graph: Graph, window: int = WINDOW, remembered: int = REMEMBERED):
        """Builds every stage, several at a time.

        Args:
            graph: what runs.
            window: ticks that may be under way at once where nobody steers.
            remembered: the last answers kept by a stage that controls alone feed.

        Raises:
            NoDevice: a stage is placed on a device that is not here.
            Exception: whatever a stage's constructor raises, e.g. `WeightsError`.
        """
        use_compilation_cache()
        self.graph = graph
        self.window = window
        self._wirings = {name: Wiring.of(graph, node) for name, node in graph.nodes.items()}
        devices = {name: find_devices(node.placement) for name, node in graph.nodes.items()}
        kept = dict.fromkeys(graph.nodes, REMEMBERED)
        kept |= dict.fromkeys(fed_by_controls(graph), remembered)
        with ThreadPoolExecutor(thread_name_prefix="build") as builders:
            built = {
                name: [
                    builders.submit(Host, node, graph.format, device, replica, kept[name])
                    for replica, device in enumerate(devices[name])
                ]
                for name, node in graph.nodes.items()
            }
        self.hosts = {name: [host.result() for host in hosts] for name, hosts in built.items()}
        self._threads = {
            name: [ThreadPoolExecutor(1, thread_name_prefix=f"stage-{name}") for _ in hosts]
            for name, hosts in self.hosts.items()
        }
        # Two sessions on one runner must queue whole ticks, each stage in the same order:
        # otherwise two stages could wait for each other's threads.
        self._submitting = threading.Lock()

    def weights(self) -> dict[str, dict[str, str]]:
        """Digest and note of every stage that has weights, by stage."""
        found = {name: hosts[0].weights for name, hosts in self.hosts.items()}
        return {name: weights for name, weights in found.items() if weights}

    def stream(
        self, ticks: Iterable[Tick], state: State | None = None, lookahead: int = 0
    ) -> Iterator[Chunk]:
        """Makes one chunk a tick; see `Runner.stream`."""
        flights: TicksInFlight[_LocalTick] = TicksInFlight(self.graph, state)
        return flights.fly(ticks, lookahead, self._submit, self._land, _cancel)

    def ask(self, stage: str, controls: Mapping[str, Any]) -> Mapping[str, Tensor]:
        """What a stage says to one row of controls, beside any music.

        Args:
            stage: its name; a control feeds every input of it.
            controls: every control's value, as `graph.control.to_row` makes it.

        Returns:
            By output port, a value with a leading row axis of 1; arrays are read-only.

        Raises:
            StageFailed: the stage failed.
        """
        tick = Tick((stage,), (0,), (controls,))
        ports, wiring = ports_of(self.graph, CONTROLS), self._wirings[stage]
        values = stack_controls(self.graph, tick.controls)
        dims = self.graph.format.dims
        message = wire.encode(ports, values, tick.streams, tick.chunks, dims)
        inputs = wiring.gather({MessageOrigin(CONTROLS, past=False): [message]}, tick.chunks)
        answer = self.hosts[stage][0].answer(inputs, tick.streams, tick.chunks)
        return wire.decode(wiring.node.outputs, answer.buffer, dims).values

    def warm_up(self, streams: int = 1) -> None:
        """Makes and throws away one chunk of default controls, so that everything is compiled."""
        for _ in self.stream([default_tick(self.graph, streams)]):
            pass

    def close(self) -> None:
        """Stops the stages' threads."""
        for threads in self._threads.values():
            for thread in threads:
                thread.shutdown(wait=True, cancel_futures=True)

    def __enter__(self) -> LocalRunner:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _submit(self, tick: Tick, before: State | _LocalTick) -> _LocalTick:
        controls = stack_controls(self.graph, tick.controls)
        dims, ports = self.graph.format.dims, ports_of(self.graph, CONTROLS)
        message = wire.encode(ports, controls, tick.streams, tick.chunks, dims)
        past = before.said if isinstance(before, _LocalTick) else _said(self.graph, before)
        said: dict[str, tuple[Future[Answer], ...]] = {}
        flight = _LocalTick(tick, message, said)
        with self._submitting:
            for name, threads in self._threads.items():
                rows = split(len(tick.streams), len(threads))
                said[name] = tuple(
                    threads[replica].submit(self._run, name, replica, part, flight, past)
                    for replica, part in enumerate(rows)
                )
        return flight

    def _run(self, name: str, replica: int, rows: slice, flight: _LocalTick, past: _Said) -> Answer:
        """One replica in one tick, on its thread; waits for the answers it reads."""
        tick, wiring = flight.tick, self._wirings[name]
        recorder = SpanRecorder(name, replica, tick.chunks[rows][0])
        with recorder.measure("queue"):
            messages = {origin: _buffers(origin, flight, past) for origin in origins(wiring.node)}
        with recorder.measure("transfer"):
            inputs = wiring.gather(messages, tick.chunks, rows)
        host = self.hosts[name][replica]
        answer = host.answer(inputs, tick.streams[rows], tick.chunks[rows])
        return replace(answer, spans=(*recorder.spans, *answer.spans))

    def _land(self, flights: TicksInFlight[_LocalTick]) -> Chunk:
        """Waits for every stage of a tick; until then, nothing has happened."""
        flight = flights.under_way[0]
        answers = {name: [part.result() for part in parts] for name, parts in flight.said.items()}
        said = {name: [answer.buffer for answer in parts] for name, parts in answers.items()}
        return Chunk(
            flight.tick,
            outputs_of(self.graph, said),
            next_state(self.graph, flight.tick, said),
            {name: max(answer.seconds for answer in parts) for name, parts in answers.items()},
            {CONTROLS: flight.controls} | {name: wire.join(parts) for name, parts in said.items()},
            tuple(span for parts in answers.values() for answer in parts for span in answer.spans),
        )


def default_tick(graph: Graph, streams: int) -> Tick:
    """The first tick of so many streams, with the pipeline's default controls."""
    names = tuple(f"warm-up {row}" for row in range(streams))
    defaults = {name: control.default for name, control in graph.controls.items()}
    return Tick(names, (0,) * streams, (defaults,) * streams)


def _said(graph: Graph, state: State) -> _Said:
    """A state as answers that are already there."""
    said = {}
    for stage, buffer in state_messages(graph, state).items():
        answer: Future[Answer] = Future()
        answer.set_result(Answer(buffer, 0.0, True, ()))
        said[stage] = (answer,)
    return said


def _buffers(origin: MessageOrigin, flight: _LocalTick, past: _Said) -> list[pa.Buffer]:
    """Waits until an origin has said all; a part a replica."""
    if origin.stage == CONTROLS:
        return [flight.controls]
    parts = (past if origin.past else flight.said)[origin.stage]
    return [part.result().buffer for part in parts]


def _cancel(flight: _LocalTick) -> None:
    for parts in flight.said.values():
        for part in parts:
            part.cancel()
