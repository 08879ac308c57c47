"""A checked graph: its stages in the order of a tick, and the source of every input."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from soundstage.graph.format import Format
from soundstage.graph.port import Port, Tensor
from soundstage.graph.spec import PipelineSpec, PlacementSpec

CLOCK = {"chunk": Port("int64", (), "chunk index", ">= 0")}


@dataclass(frozen=True)
class FromControl:
    """An input fed by a control: `in.NAME`."""

    name: str

    def __str__(self) -> str:
        return f"in.{self.name}"


@dataclass(frozen=True)
class FromClock:
    """An input fed by the tick itself: `clock.chunk`."""

    name: str

    def __str__(self) -> str:
        return f"clock.{self.name}"


@dataclass(frozen=True)
class FromStage:
    """An input fed by another stage in the same tick: `STAGE.PORT`."""

    stage: str
    port: str

    def __str__(self) -> str:
        return f"{self.stage}.{self.port}"


@dataclass(frozen=True)
class FromPast:
    """An input fed by the previous tick's value of `STAGE.PORT`; in the first tick, by `init`."""

    stage: str
    port: str
    init: int | float

    def __str__(self) -> str:
        return f"{self.stage}.{self.port}"


Source: TypeAlias = FromControl | FromClock | FromStage | FromPast


@dataclass(frozen=True)
class Node:
    """One stage of a checked graph.

    Attributes:
        name: the stage's name in the file.
        use: "module:Class".
        cls: the class that `use` names.
        params: an instance of `cls.Params`, or None when the stage takes none.
        sources: what feeds each input.
        placement: where it runs.
    """

    name: str
    use: str
    cls: Any
    params: Any
    sources: Mapping[str, Source]
    placement: PlacementSpec

    @property
    def device(self) -> str:
        """The placement, for people: "auto", "cpu", "gpu:1", "gpu x 4", ..."""
        return str(self.placement)

    @property
    def inputs(self) -> Mapping[str, Port]:
        """The stage's input ports that are wired."""
        return {name: port for name, port in self.cls.inputs.items() if name in self.sources}

    @property
    def outputs(self) -> Mapping[str, Port]:
        """The stage's output ports."""
        return self.cls.outputs


@dataclass(frozen=True)
class Control:
    """A value that may change between two chunks: the port that it feeds, and its default."""

    port: Port
    default: Tensor | int | float | str


@dataclass(frozen=True)
class Graph:
    """A checked pipeline; nothing is loaded yet.

    Attributes:
        spec: the pipeline file, overrides applied.
        format: the music format.
        nodes: the stages by name, each after all stages that it reads in the same tick.
        outputs: the graph's outputs: name -> the port of a stage.
        controls: the player's controls by name.
        digest: SHA-256 of what the graph computes (see `PipelineSpec.digest`).
    """

    spec: PipelineSpec
    format: Format
    nodes: Mapping[str, Node]
    outputs: Mapping[str, FromStage]
    controls: Mapping[str, Control]
    digest: str

    @property
    def name(self) -> str:
        """The pipeline's name."""
        return self.spec.name

    def port(self, source: FromStage | FromPast) -> Port:
        """Returns the output port that a source names.

        Args:
            source: "stage.port" of this tick or of the one before, from a node's `sources`.
        """
        return self.nodes[source.stage].outputs[source.port]

    def feedback(self) -> dict[str, FromPast]:
        """The ports whose values are the state, by "stage.port", in the graph's order."""
        past = {
            str(source): source
            for node in self.nodes.values()
            for source in node.sources.values()
            if isinstance(source, FromPast)
        }
        order = list(self.nodes)
        return dict(sorted(past.items(), key=lambda item: (order.index(item[1].stage), item[0])))
