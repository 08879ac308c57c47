"""Drawings of a graph: text for a terminal, Mermaid for a document, SVG for a browser."""

import json
import textwrap
from collections.abc import Iterable, Iterator, Mapping

from soundstage.graph.drawing.sheet import default_text
from soundstage.graph.drawing.svg import draw_svg
from soundstage.graph.legible import legible, wrapped
from soundstage.graph.plan import FromClock, FromControl, FromPast, FromStage, Graph, Node
from soundstage.graph.port import Port

__all__ = ["draw_mermaid", "draw_svg", "draw_text"]

WIDTH = 96
_NOW, _PAST = "──▶", "╌╌▶"
_FED_NOW, _FED_PAST = "◀──", "◀╌╌"


def draw_text(graph: Graph) -> str:
    """Draws a graph for a terminal of 100 columns.

    Stages appear in the order of a tick. Each input shows its source, each output its type and its
    readers; feedback is dashed.

    Returns:
        Unicode text without a last newline; at most `WIDTH` columns unless a name is longer.
    """
    stages = "1 stage" if len(graph.nodes) == 1 else f"{len(graph.nodes)} stages"
    lines = [f"{legible(graph.name)}: {stages}, {graph.format.chunk_s:g} s of audio a tick"]
    lines += wrapped(graph.spec.note, WIDTH)
    if graph.controls:
        lines += ["", "controls", *_controls(graph)]
    for node in graph.nodes.values():
        lines += ["", *_box(graph, node)]
    lines += ["", "outputs"]
    width = _widest(graph.outputs)
    lines += [f"  {name:{width}} {_FED_NOW} {source}" for name, source in graph.outputs.items()]
    return "\n".join(line.rstrip() for line in lines)


def _controls(graph: Graph) -> Iterator[str]:
    types = {
        name: _type(control.port, graph.format.dims) for name, control in graph.controls.items()
    }
    width, type_width = _widest(types), _widest(types.values())
    room = max(WIDTH - width - type_width - 7, 12)
    defaults = {name: default_text(graph, name, room) for name in types}
    numbers = [defaults[name] for name, control in graph.controls.items() if not control.port.shape]
    for name, type_text in types.items():
        line = f"  {name:{width}}  {type_text:{type_width}} = {defaults[name]:{_widest(numbers)}}"
        unit = graph.controls[name].port.unit
        fits = unit and not graph.controls[name].port.shape and len(line) + 2 + len(unit) <= WIDTH
        yield f"{line}  {unit}" if fits else line


def _box(graph: Graph, node: Node) -> list[str]:
    device = f" {node.device} "
    title = f"╭─ {node.name} ── {node.use} "
    top = title + "─" * (WIDTH - len(title) - len(device) - 2) + device + "─╮"
    name_width = _widest([*node.inputs, *node.outputs])
    rows = [f"{name:{name_width}} {_fed_by(node, name)}" for name in node.inputs]
    for name, port in node.outputs.items():
        rows += _output_rows(graph, node, name, port, name_width)
    inside = len(top) - 4
    return [top, *(f"│ {row:{inside}} │" for row in rows), "╰" + "─" * (len(top) - 2) + "╯"]


def _fed_by(node: Node, name: str) -> str:
    source = node.sources[name]
    if isinstance(source, FromPast):
        return f"{_FED_PAST} {source}, delay 1, init {source.init}"
    return f"{_FED_NOW} {source}"


def _output_rows(graph: Graph, node: Node, name: str, port: Port, name_width: int) -> Iterator[str]:
    kind = _type(port, graph.format.dims)
    room = WIDTH - 4 - name_width - len(_NOW) - len(kind) - 4
    label = name
    for arrow, readers in (
        (_NOW, _readers(graph, node, name, FromStage)),
        (_PAST, _readers(graph, node, name, FromPast)),
    ):
        later = ", delay 1" if arrow == _PAST else ""
        for line in textwrap.wrap(", ".join(readers) + later if readers else "", max(room, 20)):
            yield f"{label:{name_width}} {arrow} {line:{room}}  {kind}".rstrip()
            label = kind = ""
            arrow = " " * len(arrow)
    if label:
        yield f"{label:{name_width}} {_NOW} {'(nothing reads it)':{room}}  {kind}"


def _readers(
    graph: Graph, node: Node, name: str, edge: type[FromStage] | type[FromPast]
) -> list[str]:
    readers = [
        f"{reader.name}.{key}"
        for reader in graph.nodes.values()
        for key, source in reader.sources.items()
        if isinstance(source, edge) and (source.stage, source.port) == (node.name, name)
    ]
    if edge is FromStage:
        here = FromStage(node.name, name)
        readers += [f"outputs.{key}" for key, source in graph.outputs.items() if source == here]
    return readers


def _type(port: Port, dims: Mapping[str, int]) -> str:
    return f"{port.spelled_shape(dims)} {port.dtype}" if port.shape else port.dtype


def _widest(names: Iterable[str]) -> int:
    return max(map(len, names), default=0)


def draw_mermaid(graph: Graph) -> str:
    """Draws a graph as a Mermaid flowchart, for Markdown.

    Controls are stadiums, the clock a hexagon, outputs slanted; feedback is dotted and labelled
    "delay 1".

    Returns:
        The diagram's source, without a code fence or a last newline.
    """
    lines = ["---", f"title: {json.dumps(graph.name)}", "---", "flowchart LR"]
    lines += [f"  in_{name}([{_quoted(name)}])" for name in graph.controls]
    clocks = dict.fromkeys(
        source.name
        for node in graph.nodes.values()
        for source in node.sources.values()
        if isinstance(source, FromClock)
    )
    lines += [f"  clock_{name}{{{{{_quoted(name)}}}}}" for name in clocks]
    for node in graph.nodes.values():
        lines.append(f"  stage_{node.name}[{_quoted(node.name, node.use, node.device)}]")
    lines += [f"  out_{name}[/{_quoted(name)}/]" for name in graph.outputs]
    for node in graph.nodes.values():
        lines += [_mermaid_edge(node, name) for name in node.inputs]
    for name, source in graph.outputs.items():
        lines.append(f"  stage_{source.stage} -->|{_quoted(source.port)}| out_{name}")
    return "\n".join(lines)


def _mermaid_edge(node: Node, name: str) -> str:
    source = node.sources[name]
    sink = f"stage_{node.name}"
    if isinstance(source, FromControl | FromClock):
        origin = "in" if isinstance(source, FromControl) else "clock"
        return f"  {origin}_{source.name} --> {sink}"
    ports = source.port if source.port == name else f"{source.port} → {name}"
    if isinstance(source, FromPast):
        return f"  stage_{source.stage} -.->|{_quoted(ports, 'delay 1')}| {sink}"
    return f"  stage_{source.stage} -->|{_quoted(ports)}| {sink}"


def _quoted(*lines: str) -> str:
    escaped = (line.replace("#", "#35;").replace('"', "#quot;") for line in lines)
    escaped = (line.replace("<", "#lt;").replace(">", "#gt;") for line in escaped)
    return '"' + "<br/>".join(escaped) + '"'
