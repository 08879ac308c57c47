"""Ticks under way: pulled from their source, landed in order, at most so many at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import numpy as np

from soundstage.graph.plan import Graph
from soundstage.graph.port import Tensor
from soundstage.graph.state import State, initial
from soundstage.runners.runner import Chunk, Tick
from soundstage.runners.wiring import ports_of, read

if TYPE_CHECKING:
    import pyarrow as pa


class TickInFlight(Protocol):
    """One tick under way."""

    @property
    def tick(self) -> Tick:
        """What was asked for."""
        ...


F = TypeVar("F", bound=TickInFlight)


class TicksInFlight(Generic[F]):
    """The ticks that one stream has under way.

    Attributes:
        state: the state behind the last chunk that was landed; None = before the first tick.
        under_way: the flights behind it, in order.
    """

    def __init__(self, graph: Graph, state: State | None) -> None:
        self.graph = graph
        self.state = state
        self.under_way: deque[F] = deque()

    def fly(
        self,
        ticks: Iterable[Tick],
        lookahead: int,
        submit: Callable[[Tick, State | F], F],
        land: Callable[[TicksInFlight[F]], Chunk],
        cancel: Callable[[F], None],
    ) -> Iterator[Chunk]:
        """Makes one chunk a tick, in order; what is still under way at the end is cancelled.

        Args:
            ticks: what to make.
            lookahead: ticks that may be under way behind the one waited for.
            submit: starts a tick behind a state or behind another flight.
            land: waits for the first flight.
            cancel: gives a flight up.
        """
        if lookahead < 0:
            raise ValueError(f"lookahead must be at least 0, got {lookahead}")
        source = iter(ticks)
        try:
            while True:
                while len(self.under_way) <= lookahead:
                    tick = next(source, None)
                    if tick is None:
                        break
                    self.under_way.append(submit(tick, self.before(tick)))
                if not self.under_way:
                    return
                chunk = land(self)
                self.state = chunk.state
                # Handed out while the flight is still known: behind it, ticks go on.
                yield chunk
                self.under_way.popleft()
        finally:
            for flight in self.under_way:
                cancel(flight)

    def before(self, tick: Tick) -> State | F:
        """What the next tick to be submitted goes on from."""
        if self.under_way:
            return self.under_way[-1]
        return self.state or initial(self.graph, tick.streams)


def next_state(graph: Graph, tick: Tick, said: Mapping[str, Sequence[pa.Buffer]]) -> State:
    """The state behind a tick.

    Args:
        graph: what ran.
        tick: what was asked for.
        said: the messages of the fed-back stages, a part a replica.
    """
    values = {
        name: np.array(_value(graph, said, source.stage, source.port))
        for name, source in graph.feedback().items()
    }
    return State(tick.streams, tuple(chunk + 1 for chunk in tick.chunks), values)


def outputs_of(graph: Graph, said: Mapping[str, Sequence[pa.Buffer]]) -> dict[str, Tensor]:
    """The graph's outputs by name; arrays are read-only."""
    return {
        name: _value(graph, said, source.stage, source.port)
        for name, source in graph.outputs.items()
    }


def _value(graph: Graph, said: Mapping[str, Sequence[pa.Buffer]], stage: str, port: str) -> Tensor:
    return read(ports_of(graph, stage), said[stage], port, graph.format.dims)
