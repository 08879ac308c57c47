"""Reads a stage's inputs from the messages of other stages, and splits rows over replicas."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from soundstage.graph import wire
from soundstage.graph.plan import (
    CLOCK,
    FromClock,
    FromControl,
    FromPast,
    FromStage,
    Graph,
    Node,
    Source,
)
from soundstage.graph.port import Port, Tensor
from soundstage.graph.state import State

if TYPE_CHECKING:
    import pyarrow as pa

CONTROLS = "in"


@dataclass(frozen=True)
class MessageOrigin:
    """A message that a stage reads.

    Attributes:
        stage: the stage that sends the message; `CONTROLS` for the controls.
        past: whether it is the message of the tick before.
    """

    stage: str
    past: bool


@dataclass(frozen=True)
class Read:
    """Where an input of a stage comes from.

    Attributes:
        name: the input.
        stage: the stage that it reads; `CONTROLS`, or "" for the clock.
        leaf: the port of that stage, the control, or the hand of the clock.
        past: whether it is the value of the tick before.
    """

    name: str
    stage: str
    leaf: str
    past: bool


# By origin, the messages of its replicas, in the order of the rows.
Messages: TypeAlias = Mapping[MessageOrigin, Sequence["pa.Buffer"]]


@dataclass(frozen=True)
class Wiring:
    """The part of a graph that a stage's host needs.

    Attributes:
        node: the stage.
        ports: by the stage of an origin, the ports of its messages.
        dims: sizes of the ports' dimensions.
    """

    node: Node
    ports: Mapping[str, Mapping[str, Port]]
    dims: Mapping[str, int]

    @classmethod
    def of(cls, graph: Graph, node: Node) -> "Wiring":
        """Makes the wiring of one stage of a graph."""
        stages = {origin.stage for origin in origins(node)}
        return cls(node, {stage: ports_of(graph, stage) for stage in stages}, graph.format.dims)

    def gather(
        self, messages: Messages, chunks: Sequence[int], rows: slice = slice(None)
    ) -> dict[str, Tensor]:
        """Reads the stage's inputs.

        Args:
            messages: the messages of at least all `origins(self.node)`.
            chunks: the chunk of each of the tick's rows.
            rows: the rows to read.

        Returns:
            A value for every input port; arrays are read-only.
        """
        return {
            name: self._input(source, messages, chunks, rows)
            for name, source in self.node.sources.items()
        }

    def _input(
        self, source: Source, messages: Messages, chunks: Sequence[int], rows: slice
    ) -> Tensor:
        origin = origin_of(source)
        if origin is None:
            assert isinstance(source, FromClock)
            return np.array(chunks[rows], CLOCK[source.name].dtype)
        value = read(self.ports[origin.stage], messages[origin], _leaf(source), self.dims)
        return value[rows]


def ports_of(graph: Graph, stage: str) -> Mapping[str, Port]:
    """Returns the ports in the messages of a stage, or of the controls."""
    if stage == CONTROLS:
        return {name: control.port for name, control in graph.controls.items()}
    return graph.nodes[stage].outputs


def fed_by_controls(graph: Graph) -> tuple[str, ...]:
    """Returns the stages that read only controls and each other: idle while no control changes."""
    names: list[str] = []
    for name, node in graph.nodes.items():
        sources = [s for s in node.sources.values() if not isinstance(s, FromControl)]
        if node.sources and all(isinstance(s, FromStage) and s.stage in names for s in sources):
            names.append(name)
    return tuple(names)


def origin_of(source: Source) -> MessageOrigin | None:
    """Returns the message that a source is read from; None for the clock."""
    if isinstance(source, FromControl):
        return MessageOrigin(CONTROLS, past=False)
    if isinstance(source, FromStage | FromPast):
        return MessageOrigin(source.stage, isinstance(source, FromPast))
    return None


def origins(node: Node) -> tuple[MessageOrigin, ...]:
    """Returns the messages that a stage reads, each once, in the order of its inputs."""
    every = (origin_of(source) for source in node.sources.values())
    return tuple(dict.fromkeys(origin for origin in every if origin is not None))


def reads_of(node: Node) -> tuple[Read, ...]:
    """Returns where the wired inputs of a stage come from, in their order."""
    reads = []
    for name, source in node.sources.items():
        origin = origin_of(source) or MessageOrigin("", past=False)
        reads.append(Read(name, origin.stage, _leaf(source), origin.past))
    return tuple(reads)


def split(rows: int, replicas: int) -> tuple[slice, ...]:
    """Splits rows evenly into contiguous slices, one for each replica that gets rows."""
    parts = min(rows, replicas)
    edges = [rows * part // parts for part in range(parts + 1)]
    return tuple(slice(start, stop) for start, stop in pairwise(edges))


def read(
    ports: Mapping[str, Port],
    buffers: Iterable["pa.Buffer"],
    name: str,
    dims: Mapping[str, int],
) -> Tensor:
    """Reads one port's value from the messages of a stage's replicas.

    One message is read without a copy; arrays are read-only.
    """
    parts: list[Any] = [
        wire.decode(ports, buffer, dims, only=[name]).values[name] for buffer in buffers
    ]
    if len(parts) == 1:
        return parts[0]
    if isinstance(parts[0], list):
        return [row for part in parts for row in part]
    joined = np.concatenate(parts)
    joined.flags.writeable = False
    return joined


def state_messages(graph: Graph, state: State) -> dict[str, "pa.Buffer"]:
    """Returns a state as the messages of the tick before, by stage."""
    ports: dict[str, dict[str, Port]] = {}
    for source in graph.feedback().values():
        ports.setdefault(source.stage, {})[source.port] = graph.port(source)
    return {
        stage: wire.encode(
            table,
            {port: state.values[f"{stage}.{port}"] for port in table},
            state.streams,
            state.chunks,
            graph.format.dims,
        )
        for stage, table in ports.items()
    }


def _leaf(source: Source) -> str:
    return source.name if isinstance(source, FromControl | FromClock) else source.port
