"""Values of an in-process runner: controls, state, and messages made when they are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from soundstage.graph import wire
from soundstage.graph.plan import Graph
from soundstage.graph.port import Port, Tensor
from soundstage.graph.state import State
from soundstage.graph.wire import Layout
from soundstage.runners.hosts.device_arrays import as_numpy, on_host
from soundstage.runners.hosts.ownership import own_list, read_only
from soundstage.runners.runner import Tick
from soundstage.runners.wiring import CONTROLS, ports_of

if TYPE_CHECKING:
    import pyarrow as pa

# By stage, the values of each of its replicas by port.
Parts: TypeAlias = Mapping[str, Sequence[Mapping[str, Any]]]


def read(parts: Sequence[Mapping[str, Any]], port: str) -> Any:
    """Returns a port's value for all rows, from those of a stage's replicas."""
    if len(parts) == 1:
        return parts[0][port]
    values = [as_numpy(part[port]) for part in parts]
    if isinstance(values[0], list):
        return [row for value in values for row in value]
    joined = np.concatenate(values)
    joined.flags.writeable = False
    return joined


class Controls:
    """Stacks the controls of a tick's rows; numbers that do not change are stacked once."""

    def __init__(self, graph: Graph) -> None:
        self._layout = Layout(ports_of(graph, CONTROLS), graph.format.dims)
        # By control, the rows' values and the array of them.
        self._last: dict[str, tuple[list[Any], np.ndarray]] = {}

    def stack(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
        """Returns the value of every control for all rows; arrays are read-only.

        Raises:
            WireError: a value does not fit its port.
        """
        values = {
            name: self._stacked(name, port, [row[name] for row in rows])
            for name, port in self._layout.ports.items()
        }
        self._layout.check(values, len(rows))
        return values

    def _stacked(self, name: str, port: Port, values: list[Any]) -> Tensor:
        if port.ragged or port.dtype == "utf8":
            return own_list(values)
        known, array = self._last.get(name, ([], None))
        if array is not None and len(known) == len(values) and all(map(_is, known, values)):
            return array
        array = np.stack(values)
        array.flags.writeable = False
        # A number of NumPy never changes, but an array may.
        if not port.shape and all(isinstance(value, np.generic) for value in values):
            self._last[name] = values, array
        return array


class HostValues(Mapping[str, np.ndarray]):
    """Values of a state, which are read as arrays of NumPy and may be on a device.

    Attributes:
        raw: by "stage.port", the array of NumPy or JAX.
    """

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self.raw = raw

    def __getitem__(self, name: str) -> np.ndarray:
        array: np.ndarray = as_numpy(self.raw[name])
        return array

    def __iter__(self) -> Iterator[str]:
        return iter(self.raw)

    def __len__(self) -> int:
        return len(self.raw)


class StateLayout:
    """The fed-back ports of a graph.

    Attributes:
        feedback: the fed-back ports, by "stage.port".
    """

    def __init__(self, graph: Graph) -> None:
        self.feedback = tuple(graph.feedback().items())
        ports = {name: graph.port(source) for name, source in self.feedback}
        self._layout = Layout(ports, graph.format.dims)

    def by_stage(self, state: State) -> dict[str, dict[str, Any]]:
        """Returns the values of a state by stage and port; arrays never change.

        Raises:
            WireError: a value does not fit its port.
        """
        if isinstance(state.values, HostValues):
            values = state.values.raw  # those of a runner, which fit
        else:
            values = {name: state.values[name] for name, _ in self.feedback}
            self._layout.check(values, len(state.streams))
            values = {name: read_only(value) for name, value in values.items()}
        stages: dict[str, dict[str, Any]] = {}
        for name, source in self.feedback:
            stages.setdefault(source.stage, {})[source.port] = values[name]
        return stages


class LocalMessages(Mapping[str, "pa.Buffer"]):
    """The messages of a tick by stage, made of the stages' values when they are read."""

    def __init__(
        self, graph: Graph, tick: Tick, controls: Mapping[str, Tensor], parts: Parts
    ) -> None:
        self._graph, self._tick = graph, tick
        self._controls, self._parts = controls, parts

    def __getitem__(self, name: str) -> pa.Buffer:
        ports = ports_of(self._graph, name) if name in self else None
        if ports is None:
            raise KeyError(name)
        tick, dims = self._tick, self._graph.format.dims
        values = self._controls if name == CONTROLS else self._read(name, ports)
        return wire.encode(ports, values, tick.streams, tick.chunks, dims)

    def __iter__(self) -> Iterator[str]:
        yield CONTROLS
        yield from self._parts

    def __len__(self) -> int:
        return 1 + len(self._parts)

    def __contains__(self, name: object) -> bool:
        return name == CONTROLS or name in self._parts

    def _read(self, name: str, ports: Mapping[str, Port]) -> dict[str, Any]:
        return on_host({port: read(self._parts[name], port) for port in ports})


def _is(one: object, other: object) -> bool:
    return one is other
