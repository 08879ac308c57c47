"""A graph as one self-contained SVG, with light and dark colours."""

from collections.abc import Iterator, Sequence
from html import escape
from itertools import pairwise

from soundstage.graph.drawing.layers import Link
from soundstage.graph.drawing.sheet import (
    FOOT,
    HEAD,
    LINE,
    MARGIN,
    PAD,
    PILL,
    Lane,
    Sheet,
    lane_text,
    lay_out,
    pill_text,
    row_middle,
    short_type,
)
from soundstage.graph.legible import legible
from soundstage.graph.plan import FromPast, FromStage, Graph, Node, Source

CORNER = 8.0

_STYLE = """
text { font-family: ui-sans-serif, system-ui, 'Segoe UI', Helvetica, Arial, sans-serif; }
.mono { font-family: ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace; }
.page { fill: #ffffff; }
.title { font-size: 19px; font-weight: 650; fill: #1b2330; }
.note { font-size: 12px; fill: #667085; }
.name { font-size: 14px; font-weight: 650; fill: #1b2330; }
.port { font-size: 11px; fill: #344054; }
.small { font-size: 9.5px; fill: #667085; }
.later { font-size: 9.5px; fill: #b4540a; }
.stage { fill: #f8fafc; stroke: #c3ccd9; }
.rule { stroke: #dde3ec; }
.control { fill: #edf4ff; stroke: #a9c6f5; }
.output { fill: #ebf8f1; stroke: #9bd3b4; }
.edge { fill: none; stroke: #7b8ba3; stroke-width: 1.5; }
.edge-control { fill: none; stroke: #6c9be8; stroke-width: 1.3; }
.past { fill: none; stroke: #d9730d; stroke-width: 1.5; stroke-dasharray: 5 4; }
.dot { fill: #7b8ba3; }
.dot-control { fill: #6c9be8; }
.dot-past { fill: #d9730d; }
@media (prefers-color-scheme: dark) {
  .page { fill: #10151d; }
  .title, .name { fill: #eef2f8; }
  .note, .small { fill: #94a1b5; }
  .port { fill: #cbd5e3; }
  .later { fill: #f5a35c; }
  .stage { fill: #1a222e; stroke: #3c4a5e; }
  .rule { stroke: #2c3747; }
  .control { fill: #16263f; stroke: #35598f; }
  .output { fill: #13291f; stroke: #2f6b4b; }
  .edge { stroke: #8494ab; }
  .edge-control { stroke: #5f8fdd; }
  .past { stroke: #f08c36; }
  .dot { fill: #8494ab; }
  .dot-control { fill: #5f8fdd; }
  .dot-past { fill: #f08c36; }
}
""".strip()


def draw_svg(graph: Graph) -> str:
    """Draws a graph as a self-contained SVG.

    Layers run from left to right; inputs show their names, outputs their names and types. Feedback
    is dashed and runs back below the stages. Colours follow the reader's light or dark setting.
    Equal graphs give equal text.

    Returns:
        An `<svg>` element, without a last newline.
    """
    sheet = lay_out(graph)
    return "\n".join(
        [
            *_head(sheet),
            *(line for lane in sheet.lanes for line in _lane(lane)),
            *(_link(sheet, *drawn) for drawn in zip(sheet.links, sheet.bends, strict=True)),
            *(line for key in sheet.items for line in _pill(sheet, key)),
            *(line for node in graph.nodes.values() for line in _stage(sheet, node)),
            "</svg>",
        ]
    )


def _head(sheet: Sheet) -> Iterator[str]:
    name, size = legible(sheet.graph.name), f"{sheet.width:.0f} {sheet.height:.0f}"
    width, height = size.split()
    stages = escape(", ".join(sheet.graph.nodes))
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}" width="{width}" '
        f'height="{height}" role="img" aria-labelledby="title desc">'
    )
    yield f'<title id="title">Pipeline {escape(name)}</title>'
    yield f'<desc id="desc">A graph of stages, in the order of a tick: {stages}.</desc>'
    yield f"<style>\n{_STYLE}\n</style>"
    yield f'<rect class="page" width="{width}" height="{height}" rx="12"/>'
    yield _text("title", MARGIN, MARGIN + 14, name)
    for number, line in enumerate(sheet.note):
        yield _text("note", MARGIN, MARGIN + LINE * (number + 2), line)


def _pill(sheet: Sheet, key: str) -> Iterator[str]:
    origin, _, _ = key.partition(".")
    if origin == "stage":
        return
    name, small = pill_text(sheet.graph, key)
    width, y = sheet.items[key].width, sheet.tops[key]
    # Controls stand close to their readers, outputs close to their stage.
    x = sheet.side(key, False) if origin == "outputs" else sheet.side(key, True) - width
    style = "output" if origin == "outputs" else "control"
    yield f"<g><title>{escape(key)}</title>"
    yield (
        f'<rect class="{style}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" '
        f'height="{PILL:.0f}" rx="{PILL / 2:.0f}"/>'
    )
    yield _text("port mono", x + width / 2, y + 17, name, "middle")
    yield _text("small mono", x + width / 2, y + 30, small, "middle")
    yield "</g>"


def _stage(sheet: Sheet, node: Node) -> Iterator[str]:
    key = f"stage.{node.name}"
    left, right = sheet.side(key, False), sheet.side(key, True)
    top = sheet.tops[key]
    yield f"<g><title>{escape(f'{node.name}: {node.use} on {node.device}')}</title>"
    yield (
        f'<rect class="stage" x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" '
        f'height="{sheet.items[key].height:.1f}" rx="9"/>'
    )
    yield f'<path class="rule" d="M{left:.1f} {top + HEAD - FOOT / 2:.1f}H{right:.1f}"/>'
    yield _text("name", left + PAD, top + 20, node.name)
    yield _text("small mono", right - PAD, top + 19, node.device, "end")
    yield _text("small mono", left + PAD, top + 34, node.use)
    for number, name in enumerate(node.inputs):
        y = top + row_middle(number)
        yield _text("port mono", left + PAD, y + 4, name)
        yield _arrow(node.sources[name], left, y)
    for number, name in enumerate(node.outputs):
        yield from _output(sheet, node, name, right, top + row_middle(number))
    yield "</g>"


def _output(sheet: Sheet, node: Node, name: str, x: float, y: float) -> Iterator[str]:
    port, dims = node.outputs[name], sheet.graph.format.dims
    title = f"{node.name}.{name}: {port.kind} {port.spelled_shape(dims)} {port.dtype}"
    past = any(str(lane.source) == f"{node.name}.{name}" for lane in sheet.lanes)
    yield f"<g><title>{escape(title)}</title>"
    yield _text("port mono", x - PAD, y - 1, name, "end")
    yield _text("small mono", x - PAD, y + 11, short_type(port, dims), "end")
    style = "dot-past" if past else "dot"
    yield f'<circle class="{style}" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/></g>'


def _arrow(source: Source, x: float, y: float) -> str:
    if isinstance(source, FromPast):
        style = "dot-past"
    else:
        style = "dot" if isinstance(source, FromStage) else "dot-control"
    points = f"M{x - 7:.1f} {y - 4:.1f}L{x:.1f} {y:.1f}L{x - 7:.1f} {y + 4:.1f}Z"
    return f'<path class="{style}" d="{points}"/>'


def _link(sheet: Sheet, link: Link, bends: Sequence[float]) -> str:
    """Draws a line that curves between layers and is level within them."""
    x, y = sheet.side(link.source, True), sheet.tops[link.source] + link.leave
    path = f"M{x:.1f} {y:.1f}"
    ends = [*bends, sheet.tops[link.target] + link.reach]
    for layer, end in enumerate(ends, sheet.items[link.source].layer + 1):
        left = sheet.left[layer]
        half = (left + x) / 2
        path += f"H{x:.1f}C{half:.1f} {y:.1f} {half:.1f} {end:.1f} {left:.1f} {end:.1f}"
        x, y = sheet.right[layer], end
    style = "edge" if link.source.startswith("stage.") else "edge-control"
    return f'<path class="{style}" d="{path}"/>'


def _lane(lane: Lane) -> Iterator[str]:
    """Draws a dashed line from a port down, back below the stages, and up to each reader."""
    level, (right, start) = lane.level, lane.start
    for number, (up, ends) in enumerate(lane.ends.items()):
        first, *others = ends
        way_up = [(up, level), (up, first[1]), first]
        if number:
            yield _dashed([(up + CORNER, level), *way_up])
        else:
            yield _dashed([(right, start), (lane.down, start), (lane.down, level), *way_up])
        for x, y in others:
            yield _dashed([(up, y + CORNER), (up, y), (x, y)])
    yield _text("later mono", right - 4, level - 5, lane_text(lane.source), "end")


def _dashed(points: Sequence[tuple[float, float]]) -> str:
    """Draws a dashed line of vertical and horizontal stretches, with rounded corners."""
    path = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
    for (before, (x, y)), (_, after) in pairwise(pairwise(points)):
        (ax, ay), (bx, by) = _towards((x, y), before), _towards((x, y), after)
        path += f"L{ax:.1f} {ay:.1f}Q{x:.1f} {y:.1f} {bx:.1f} {by:.1f}"
    path += f"L{points[-1][0]:.1f} {points[-1][1]:.1f}"
    return f'<path class="past" d="{path}"/>'


def _towards(start: tuple[float, float], end: tuple[float, float]) -> tuple[float, float]:
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = abs(dx) + abs(dy)
    share = min(CORNER / length, 0.5) if length else 0.0
    return start[0] + dx * share, start[1] + dy * share


def _text(style: str, x: float, y: float, text: str, anchor: str = "start") -> str:
    where = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text class="{style}" {where}>{escape(text)}</text>'
