"""One stage alone, fed with what was recorded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from soundstage.errors import InputError
from soundstage.graph import wire
from soundstage.graph.plan import Graph
from soundstage.graph.problem import PipelineError, Problem
from soundstage.graph.state import State
from soundstage.runners.compilation import use_compilation_cache
from soundstage.runners.devices import NoDevice, find_device
from soundstage.runners.host import Host
from soundstage.runners.traces.trace import Trace
from soundstage.runners.wiring import Wiring, origins, state_messages

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
            trace: where the inputs come from; every tick holds what is `needed`.
            state: what was fed back into the first tick.

        Raises:
            InputError: a message is damaged.
            StageFailed: the stage failed.
        """
        name = self._node.name
        previous: Mapping[str, pa.Buffer] = state_messages(self._graph, state)
        for number, messages in enumerate(trace.ticks()):
            said = {
                origin: [(previous if origin.past else messages)[origin.stage]]
                for origin in origins(self._node)
            }
            try:
                key = wire.decode({}, messages[name], self._graph.format.dims)
                inputs = self._wiring.gather(said, key.chunks)
            except wire.WireError as error:
                raise InputError(f"{trace.path}: tick {number}, {name!r} alone: {error}") from error
            answer = self._host.answer(inputs, key.streams, key.chunks)
            yield {name: messages[name]}, {name: answer.buffer}
            previous = messages


def needed(graph: Graph, stage: str) -> set[str]:
    """Whose messages a tick must hold for a stage to be replayed alone, its own included."""
    return {stage, *(origin.stage for origin in origins(graph.nodes[stage]))}


def refuse_other_ports(graph: Graph, stage: str, recorded: pa.Buffer) -> None:
    """Refuses a stage whose output ports are not those of the message that was recorded.

    Its inputs are those of the recorded stage already: otherwise the pipeline would not check.

    Raises:
        PipelineError: with the first port that is another.
        WireError: the recorded message cannot be read.
    """
    node = graph.nodes[stage]
    was = _types(wire.read_batch(recorded).schema)
    now = _types(wire.schema(node.outputs, graph.format.dims))
    if was == now:
        return
    port = next(name for name in [*was, *now] if was.get(name) != now.get(name))
    what = f"{node.use} gives {now.get(port, 'nothing')}, recorded was {was.get(port, 'nothing')}"
    cure = "only a stage of the same ports can take its place"
    raise PipelineError([Problem(f"{node.name}.{port}", what, cure)])


def _types(schema: Any) -> dict[str, str]:
    """By column, its type and kind."""
    kinds = [(field.metadata or {}).get(b"kind", b"").decode(errors="replace") for field in schema]
    return {field.name: f"{field.type} {kind}" for field, kind in zip(schema, kinds, strict=True)}
