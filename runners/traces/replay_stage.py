"""Replays one stage alone, on its recorded inputs."""

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
from soundstage.runners.hosts.host import Host
from soundstage.runners.traces.trace import Trace
from soundstage.runners.wiring import Wiring, origins, state_messages

if TYPE_CHECKING:
    import pyarrow as pa


class Bench:
    """One stage of a graph, which runs on the recorded inputs of a trace."""

    def __init__(self, graph: Graph, stage: str) -> None:
        """Builds the stage on its device, and loads its weights.

        Raises:
            PipelineError: the stage is placed on a device that this machine does not have.
            Exception: any error of the stage's constructor, e.g. `WeightsError`.
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
        weights = self._host.weights
        return {self._node.name: weights} if weights else {}

    def pairs(
        self, trace: Trace, state: State
    ) -> Iterator[tuple[Mapping[str, pa.Buffer], Mapping[str, pa.Buffer]]]:
        """Runs every tick; yields the stage's recorded message and the new one.

        Args:
            trace: the recorded run; every tick has the messages that are `needed`.
            state: the state before the first tick.

        Raises:
            InputError: a message is damaged.
            StageFailed: the stage failed.
        """
        name = self._node.name
        previous: Mapping[str, pa.Buffer] = state_messages(self._graph, state)
        for number, messages in enumerate(trace.ticks()):
            inputs_by_origin = {
                origin: [(previous if origin.past else messages)[origin.stage]]
                for origin in origins(self._node)
            }
            try:
                key = wire.decode({}, messages[name], self._graph.format.dims)
                inputs = self._wiring.gather(inputs_by_origin, key.chunks)
            except wire.WireError as error:
                raise InputError(f"{trace.path}: tick {number}, {name!r} alone: {error}") from error
            answer = self._host.answer(inputs, key.chunks)
            buffer = self._host.encode(answer, key.streams, key.chunks)
            yield {name: messages[name]}, {name: buffer}
            previous = messages


def needed(graph: Graph, stage: str) -> set[str]:
    """Returns the stages whose messages a replay of one stage needs, itself included."""
    return {stage, *(origin.stage for origin in origins(graph.nodes[stage]))}


def refuse_other_ports(graph: Graph, stage: str, recorded: pa.Buffer) -> None:
    """Refuses a stage whose output ports differ from those of the recorded message.

    The input ports need no check: `check` has compared them with the pipeline.

    Raises:
        PipelineError: a port differs; the message names the first one.
        WireError: the recorded message cannot be read.
    """
    node = graph.nodes[stage]
    was = _types(wire.read_batch(recorded).schema)
    now = _types(wire.schema(node.outputs, graph.format.dims))
    if was == now:
        return
    port = next(name for name in [*was, *now] if was.get(name) != now.get(name))
    what = f"{node.use} has {now.get(port, 'nothing')}, recorded was {was.get(port, 'nothing')}"
    cure = "only a stage with the same ports can replace it"
    raise PipelineError([Problem(f"{node.name}.{port}", what, cure)])


def _types(schema: Any) -> dict[str, str]:
    """Returns the type and kind of each column."""
    kinds = [(field.metadata or {}).get(b"kind", b"").decode(errors="replace") for field in schema]
    return {field.name: f"{field.type} {kind}" for field, kind in zip(schema, kinds, strict=True)}
