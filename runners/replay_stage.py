"""One stage alone, fed with what was recorded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from graph import wire
from graph.plan import Graph, Node
from graph.port import Tensor
from graph.problem import PipelineError, Problem
from graph.state import State
from runners.compilation import use_compilation_cache
from runners.devices import NoDevice, find_device
from runners.errors import InputError
from runners.host import Host
from runners.trace import Trace
from runners.wiring import Wiring, origins, state_messages

if TYPE_CHECKING:
    import pyarrow as pa


class Bench:
    """Holds one stage of a graph and feeds it tick by tick from a trace."""

    def __init__(self, graph: Graph, stage: str) -> None:
        """Builds the stage, weights and all, on the device it is placed on.

        Raises:
            PipelineError: the stage is placed on a device that is not here.
            Exception: whatever the stage's constructor raises, e.g. `WeightsError`.
        """
        use_compilation_cache()
        self._graph = graph
        self._node = graph.nodes[stage]
        self._wiring = Wiring.of(graph, self._node)
        try:
            device = find_device(self._node.device)
        except NoDevice as error:
            cure = f"--place {stage}=auto"
            raise PipelineError([Problem(f"placement.{stage}", str(error), cure)]) from error
        self._host = Host(self._node, graph.format, device)

    def weights(self) -> dict[str, dict[str, str]]:
        """Digest and note of the stage's weights, by stage; empty if it has none."""
        found = self._host.weights
        return {self._node.name: found} if found else {}

    def pairs(
        self, trace: Trace, state: State
    ) -> Iterator[tuple[Mapping[str, pa.Buffer], Mapping[str, pa.Buffer]]]:
        """Runs every tick; yields what the stage said then and what it says now.

        Args:
            trace: where the inputs come from.
            state: what was fed back into the first tick.

        Raises:
            InputError: an input or the stage's own message was not recorded, or is damaged.
            PipelineError: the recorded message is not of the stage's ports.
            StageFailed: the stage failed.
        """
        name = self._node.name
        previous: Mapping[str, pa.Buffer] = state_messages(self._graph, state)
        for number, messages in enumerate(trace.ticks()):
            try:
                recorded = _found(messages, name)
                streams, chunks = _key(self._graph, self._node, recorded)
                inputs = self._gather(previous, messages, chunks)
            except wire.WireError as error:
                raise InputError(f"{trace.path}: tick {number}, {name!r} alone: {error}") from error
            answer = self._host.answer(inputs, streams, chunks)
            yield {name: recorded}, {name: answer.buffer}
            previous = messages

    def _gather(
        self,
        previous: Mapping[str, pa.Buffer],
        messages: Mapping[str, pa.Buffer],
        chunks: Sequence[int],
    ) -> dict[str, Tensor]:
        said = {
            origin: [_found(previous if origin.past else messages, origin.stage)]
            for origin in origins(self._node)
        }
        return self._wiring.gather(said, chunks)


def _found(messages: Mapping[str, pa.Buffer], stage: str) -> pa.Buffer:
    if stage not in messages:
        raise wire.WireError(f"nothing was recorded of {stage!r}")
    return messages[stage]


def _key(graph: Graph, node: Node, recorded: pa.Buffer) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Streams and chunks of a tick, once its message is known to be of the stage's ports."""
    dims = graph.format.dims
    was = _types(wire.read_batch(recorded).schema)
    now = _types(wire.schema(node.outputs, dims))
    if was != now:
        port = next(name for name in [*was, *now] if was.get(name) != now.get(name))
        what = (
            f"{node.use} gives {now.get(port, 'nothing')}, recorded was {was.get(port, 'nothing')}"
        )
        cure = "only a stage of the same ports can take its place"
        raise PipelineError([Problem(f"{node.name}.{port}", what, cure)])
    said = wire.decode({}, recorded, dims)
    return said.streams, said.chunks


def _types(schema: Any) -> dict[str, str]:
    """By column, its type and kind."""
    kinds = [(field.metadata or {}).get(b"kind", b"").decode(errors="replace") for field in schema]
    return {field.name: f"{field.type} {kind}" for field, kind in zip(schema, kinds, strict=True)}
