"""State: the values on a graph's feedback edges between two ticks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from soundstage.graph.plan import Graph
from soundstage.graph.port import Tensor
from soundstage.graph.wire import fixed_shape


@dataclass(frozen=True)
class State:
    """The previous tick's value of every fed-back port: all that a stream needs to continue.

    Attributes:
        streams: one name a row.
        chunks: per row, the index of the next chunk.
        values: by "stage.port" (see `Graph.feedback`), one array `[row, *shape]` of the port's
            dtype.
    """

    streams: tuple[str, ...]
    chunks: tuple[int, ...]
    values: Mapping[str, np.ndarray]

    def pick(self, rows: Sequence[int]) -> "State":
        """Returns the state of some rows, in the order of `rows`."""
        index = list(rows)
        return State(
            tuple(self.streams[row] for row in index),
            tuple(self.chunks[row] for row in index),
            {name: _read_only(value[index]) for name, value in self.values.items()},
        )

    def rename(self, streams: Sequence[str]) -> "State":
        """Returns the same state under other stream names.

        Args:
            streams: the new names, one a row.

        Raises:
            ValueError: the number of names differs from the number of streams.
        """
        if len(streams) != len(self.streams):
            raise ValueError(f"{len(self.streams)} streams cannot take {len(streams)} names")
        return State(tuple(streams), self.chunks, self.values)


def initial(graph: Graph, streams: Sequence[str]) -> State:
    """Returns the state before the first chunk: every fed-back port at its `init`."""
    values = {}
    for name, source in graph.feedback().items():
        port = graph.port(source)
        shape = (len(streams), *fixed_shape(port, graph.format.dims))
        values[name] = _read_only(np.full(shape, source.init, port.dtype))
    return State(tuple(streams), (0,) * len(streams), values)


def join(states: Sequence[State]) -> State:
    """Concatenates the rows of several states of one graph."""
    names = tuple(states[0].values)
    return State(
        tuple(stream for state in states for stream in state.streams),
        tuple(chunk for state in states for chunk in state.chunks),
        {
            name: _read_only(np.concatenate([state.values[name] for state in states]))
            for name in names
        },
    )


def stack_controls(graph: Graph, rows: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
    """Stacks the control values of several streams (see `control.to_row`) into port values."""
    stacked: dict[str, Tensor] = {}
    for name, control in graph.controls.items():
        values: list[Any] = [row[name] for row in rows]
        is_list = control.port.ragged or control.port.dtype == "utf8"
        stacked[name] = values if is_list else np.stack(values)
    return stacked


def _read_only(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array
