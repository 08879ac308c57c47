"""Ticks in flight: submitted ahead, up to a limit, and finished in order."""

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
    """One tick in flight."""

    @property
    def tick(self) -> Tick:
        """The tick."""
        ...


T = TypeVar("T", bound=TickInFlight)


class TicksInFlight(Generic[T]):
    """The ticks in flight of one call of `Runner.stream`.

    Attributes:
        state: the state after the last finished tick; None = before the first tick.
        pending: the ticks in flight after it, in order.
    """

    def __init__(self, graph: Graph, state: State | None) -> None:
        self.graph = graph
        self.state = state
        self.pending: deque[T] = deque()

    def run(
        self,
        ticks: Iterable[Tick],
        lookahead: int,
        submit: Callable[[Tick, State | T], T],
        finish: Callable[[TicksInFlight[T]], Chunk],
        cancel: Callable[[T], None],
    ) -> Iterator[Chunk]:
        """Makes one chunk a tick, in order; cancels the ticks still in flight at the end.

        Args:
            ticks: the ticks to make.
            lookahead: the number of ticks in flight after the one that is waited for.
            submit: starts a tick after a state or after another tick in flight.
            finish: waits for the first tick in flight and returns its chunk.
            cancel: cancels a tick in flight.
        """
        if lookahead < 0:
            raise ValueError(f"lookahead must be at least 0, got {lookahead}")
        source = iter(ticks)
        try:
            while True:
                while len(self.pending) <= lookahead:
                    tick = next(source, None)
                    if tick is None:
                        break
                    self.pending.append(submit(tick, self.before(tick)))
                if not self.pending:
                    return
                chunk = finish(self)
                self.state = chunk.state
                # Still pending while it is yielded, so that later ticks continue from it.
                yield chunk
                self.pending.popleft()
        finally:
            for tick_in_flight in self.pending:
                cancel(tick_in_flight)

    def before(self, tick: Tick) -> State | T:
        """Returns the tick in flight, or the state, that the next tick continues from."""
        if self.pending:
            return self.pending[-1]
        return self.state or initial(self.graph, tick.streams)


def next_state(graph: Graph, tick: Tick, messages: Mapping[str, Sequence[pa.Buffer]]) -> State:
    """Returns the state after a tick.

    Args:
        graph: the graph that ran.
        tick: the tick.
        messages: the messages of the tick by stage, one for each replica; those of the stages
            whose outputs feed back are needed.
    """
    values = {
        name: np.array(_value(graph, messages, source.stage, source.port))
        for name, source in graph.feedback().items()
    }
    return State(tick.streams, tuple(chunk + 1 for chunk in tick.chunks), values)


def outputs_of(graph: Graph, messages: Mapping[str, Sequence[pa.Buffer]]) -> dict[str, Tensor]:
    """Returns the graph's outputs by name; arrays are read-only."""
    return {
        name: _value(graph, messages, source.stage, source.port)
        for name, source in graph.outputs.items()
    }


def _value(
    graph: Graph, by_stage: Mapping[str, Sequence[pa.Buffer]], stage: str, port: str
) -> Tensor:
    return read(ports_of(graph, stage), by_stage[stage], port, graph.format.dims)
