"""The layout of a drawing: sizes, positions and the lines of feedback."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from unicodedata import east_asian_width

from soundstage.graph.drawing.layers import Item, Link, Placement, layers, place
from soundstage.graph.legible import legible, wrapped
from soundstage.graph.plan import FromClock, FromControl, FromPast, FromStage, Graph, Node
from soundstage.graph.port import Port

# Pixels. Letters are counted, not measured, so these widths suffice for any font.
LETTER = 6.7  # one letter of a port's name, 11 px and monospaced
SMALL = 5.8  # one letter of 9.5 px
NAME = 9.0  # one letter of a stage's name
NOTE = 6.6  # one letter of the pipeline's note
HEAD, ROW, FOOT = 46.0, 32.0, 6.0  # a stage's title, one port, and the space below the last
PILL = 40.0
PAD = 12.0
GAP_Y, GAP_X = 22.0, 44.0
LANE = 26.0  # between two level lines of feedback
STEP = 8.0  # between two upright lines of feedback in one gap
MARGIN = 24.0
LINE = 16.0
LEAST_WIDTH = 320.0


@dataclass(frozen=True)
class Lane:
    """The line of one fed-back port: right, down, back below the stages, and up to its readers.

    Attributes:
        source: the port and its first value.
        start: x and y at which the line leaves its stage.
        down: x of the stretch that runs down.
        level: y of the stretch that runs back.
        ends: for each x of a stretch that runs up, the points at which it reaches inputs, topmost
            first; the leftmost stretch comes first.
    """

    source: FromPast
    start: tuple[float, float]
    down: float
    level: float
    ends: Mapping[float, Sequence[tuple[float, float]]]


@dataclass(frozen=True)
class Sheet:
    """The layout of one graph, in pixels.

    Attributes:
        graph: the graph.
        note: the pipeline's note, wrapped to the width.
        items: stages as "stage.NAME", controls as "in.NAME", clocks as "clock.NAME", outputs as
            "outputs.NAME".
        links: the lines within a tick.
        bends: for each link the heights at which it passes the layers between its ends.
        tops: y of every item's top.
        left: x of every layer's left side.
        right: x of every layer's right side.
        lanes: the lines of feedback.
        width: the sheet's width.
        height: the sheet's height.
    """

    graph: Graph
    note: Sequence[str]
    items: Mapping[str, Item]
    links: Sequence[Link]
    bends: Sequence[Sequence[float]]
    tops: Mapping[str, float]
    left: Sequence[float]
    right: Sequence[float]
    lanes: Sequence[Lane]
    width: float
    height: float

    def side(self, key: str, leaving: bool) -> float:
        """Returns the x at which lines leave an item, or reach it."""
        return (self.right if leaving else self.left)[self.items[key].layer]


def lay_out(graph: Graph) -> Sheet:
    """Lays out a graph."""
    items = _items(graph)
    links = _links(graph)
    placement = place(list(items.values()), links, GAP_Y)
    past = [_Feedback.of(graph, items, source) for source in graph.feedback().values()]
    # The line that spans the fewest layers runs innermost, so that lines cross little.
    past.sort(key=lambda line: line.layer - min(line.readers))
    left, right = _columns(items, past)
    width = max(right[-1] + MARGIN + STEP * len(past), LEAST_WIDTH)
    note = wrapped(graph.spec.note, int((width - 2 * MARGIN) / NOTE))
    head = MARGIN + LINE * (len(note) + 1) + MARGIN
    tops = {key: head + top for key, top in placement.tops.items()}
    bends = [[head + bend for bend in bends] for bends in placement.bends]
    lanes = _lanes(past, _bottoms(items, links, placement, head), tops, left, right)
    bottom = max([head + placement.height, *(lane.level for lane in lanes)])
    return Sheet(graph, note, items, links, bends, tops, left, right, lanes, width, bottom + MARGIN)


def default_text(graph: Graph, name: str, most: int) -> str:
    """Returns a control's default as JSON, cut to `most` letters."""
    text = legible(json.dumps(graph.spec.inputs[name], ensure_ascii=False))
    return text if len(text) <= most else f"{text[: most - 1]}…"


def pill_text(graph: Graph, key: str) -> tuple[str, str]:
    """Returns the two lines of text of a control, a clock or an output."""
    origin, _, name = key.partition(".")
    if origin == "in":
        return name, default_text(graph, name, 18)
    return name, "the clock" if origin == "clock" else "output"


def short_type(port: Port, dims: Mapping[str, int]) -> str:
    """Returns a port's dtype and sizes: "int32 50x16"."""
    sizes = [str(dims[name]) if name in dims else name for name in port.shape]
    return " ".join([port.dtype, "x".join(sizes)]).strip()


def lane_text(source: FromPast) -> str:
    """Returns the label of a line of feedback."""
    return f"{source.port}: delay 1, init {source.init}"


def row_middle(number: int) -> float:
    """Returns the distance from a stage's top to the middle of its port `number`, from 0."""
    return HEAD + ROW * (number + 0.5)


def _items(graph: Graph) -> dict[str, Item]:
    """Returns all items: controls left of their first reader, outputs right of their stage."""
    needs = {
        node.name: [s.stage for s in node.sources.values() if isinstance(s, FromStage)]
        for node in graph.nodes.values()
    }
    outside = _outside(graph)
    shift = 1 if outside else 0
    layer = {name: number + shift for name, number in layers(needs).items()}
    items = [
        Item(key, min(layer[reader] for reader in readers) - 1, _pill_width(graph, key), PILL)
        for key, readers in outside.items()
    ]
    for node in graph.nodes.values():
        rows = max(len(node.inputs), len(node.outputs), 1)
        width, height = _stage_width(graph, node), HEAD + ROW * rows + FOOT
        items.append(Item(f"stage.{node.name}", layer[node.name], width, height))
    for name, source in graph.outputs.items():
        key = f"outputs.{name}"
        items.append(Item(key, layer[source.stage] + 1, _pill_width(graph, key), PILL))
    return {item.key: item for item in items}


def _outside(graph: Graph) -> dict[str, list[str]]:
    """Returns the controls and clocks that stages read, each with the names of its readers."""
    readers: dict[str, list[str]] = {}
    for node in graph.nodes.values():
        for key in node.inputs:
            source = node.sources[key]
            if isinstance(source, FromControl | FromClock):
                readers.setdefault(str(source), []).append(node.name)
    return readers


def _links(graph: Graph) -> list[Link]:
    links = []
    for node in graph.nodes.values():
        for number, key in enumerate(node.inputs):
            source, reach = node.sources[key], row_middle(number)
            if isinstance(source, FromStage):
                start = (f"stage.{source.stage}", _leave(graph, source))
            else:
                start = (str(source), PILL / 2)
            if not isinstance(source, FromPast):
                links.append(Link(start[0], f"stage.{node.name}", start[1], reach))
    for name, source in graph.outputs.items():
        leave = _leave(graph, source)
        links.append(Link(f"stage.{source.stage}", f"outputs.{name}", leave, PILL / 2))
    return links


def _leave(graph: Graph, source: FromStage | FromPast) -> float:
    return row_middle(list(graph.nodes[source.stage].outputs).index(source.port))


def _letters(text: str) -> int:
    """Returns a text's width in letters; letters of Chinese, Japanese and Korean count twice."""
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)


def _stage_width(graph: Graph, node: Node) -> float:
    dims = graph.format.dims
    head = PAD * 3 + NAME * _letters(node.name) + SMALL * len(node.device)
    use = PAD * 2 + SMALL * _letters(node.use)
    ins = max((LETTER * _letters(key) for key in node.inputs), default=0.0)
    outs = [
        max(LETTER * _letters(key), SMALL * len(short_type(port, dims)))
        for key, port in node.outputs.items()
    ]
    lanes = [
        SMALL * _letters(lane_text(source)) + PAD
        for source in graph.feedback().values()
        if source.stage == node.name
    ]
    return max(head, use, ins + max(outs, default=0.0) + PAD * 3, *lanes)


def _pill_width(graph: Graph, key: str) -> float:
    name, small = pill_text(graph, key)
    return max(LETTER * _letters(name), SMALL * _letters(small)) + 2.5 * PAD


@dataclass(frozen=True)
class _Feedback:
    """A fed-back port and its readers, before its line is laid out."""

    source: FromPast
    layer: int
    leave: float
    readers: Mapping[int, Sequence[tuple[str, float]]]  # by layer: item's key and input's middle

    @classmethod
    def of(cls, graph: Graph, items: Mapping[str, Item], past: FromPast) -> "_Feedback":
        readers: dict[int, list[tuple[str, float]]] = {}
        for node in graph.nodes.values():
            for number, key in enumerate(node.inputs):
                source = node.sources[key]
                if isinstance(source, FromPast) and str(source) == str(past):
                    item = items[f"stage.{node.name}"]
                    readers.setdefault(item.layer, []).append((item.key, row_middle(number)))
        layer = items[f"stage.{past.stage}"].layer
        return cls(past, layer, _leave(graph, past), readers)


def _columns(
    items: Mapping[str, Item], past: Sequence[_Feedback]
) -> tuple[list[float], list[float]]:
    """Returns the left and right of every layer; the gaps have room for feedback."""
    left, right = [], []
    x = MARGIN
    for layer in range(1 + max((item.layer for item in items.values()), default=0)):
        ups = sum(layer in line.readers for line in past)
        downs = sum(line.layer == layer - 1 for line in past)
        x += STEP * (ups + downs) + (GAP_X if layer or ups else 0)
        left.append(x)
        x += max((item.width for item in items.values() if item.layer == layer), default=0.0)
        right.append(x)
    return left, right


def _bottoms(
    items: Mapping[str, Item], links: Sequence[Link], placement: Placement, head: float
) -> dict[int, float]:
    """Returns the lowest y of every layer that an item or a passing line takes."""
    bottoms: dict[int, float] = {}
    for item in items.values():
        end = head + placement.tops[item.key] + item.height
        bottoms[item.layer] = max(bottoms.get(item.layer, head), end)
    for link, bends in zip(links, placement.bends, strict=True):
        for layer, bend in enumerate(bends, items[link.source].layer + 1):
            bottoms[layer] = max(bottoms.get(layer, head), head + bend)
    return bottoms


def _lanes(
    past: Sequence[_Feedback],
    bottoms: dict[int, float],
    tops: Mapping[str, float],
    left: Sequence[float],
    right: Sequence[float],
) -> list[Lane]:
    """Routes the line of every fed-back port below all items between its ends."""
    lanes = []
    for number, line in enumerate(past):
        span = range(min(line.layer, *line.readers), max(line.layer, *line.readers) + 1)
        level = max(bottoms[layer] for layer in span) + LANE
        bottoms.update(dict.fromkeys(span, level))
        before = past[:number]
        down = right[line.layer] + PAD + STEP * sum(other.layer == line.layer for other in before)
        ends = {}
        for layer in sorted(line.readers):
            up = left[layer] - PAD - 4 - STEP * sum(layer in other.readers for other in before)
            ends[up] = sorted((left[layer], tops[key] + y) for key, y in line.readers[layer])
        start = (right[line.layer], tops[f"stage.{line.source.stage}"] + line.leave)
        lanes.append(Lane(line.source, start, down, level, ends))
    return lanes
