"""The plan of a drawing: how large everything is, where it stands and where feedback runs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from unicodedata import east_asian_width

from soundstage.graph.drawing.layers import Item, Link, Placement, layers, place
from soundstage.graph.legible import legible, wrapped
from soundstage.graph.plan import FromClock, FromControl, FromPast, FromStage, Graph, Node
from soundstage.graph.port import Port

# Pixels. Letters are counted, not measured, so widths are generous for any font.
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
    """The line along which one port is fed back.

    Attributes:
        source: the port and its first value.
        start: where the line leaves its stage, x and y.
        down: x of its way down.
        level: y of its way back.
        ends: for each x of a way up, the points at which it reaches inputs, topmost first;
            the leftmost way up comes first.
    """

    source: FromPast
    start: tuple[float, float]
    down: float
    level: float
    ends: Mapping[float, Sequence[tuple[float, float]]]


@dataclass(frozen=True)
class Sheet:
    """One graph on paper.

    Attributes:
        graph: what is drawn.
        note: the pipeline's note, in lines that fit.
        items: stages as "stage.NAME", controls as "in.NAME", clocks as "clock.NAME", outputs as
            "outputs.NAME".
        links: the lines within a tick.
        bends: for each link the heights at which it passes the layers between its ends.
        tops: y of every item.
        left: x of every layer's left side.
        right: x of every layer's right side.
        lanes: the lines to the next tick.
        width: of the sheet.
        height: of the sheet.
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
        """The x at which lines leave an item, or reach it."""
        return (self.right if leaving else self.left)[self.items[key].layer]


def lay_out(graph: Graph) -> Sheet:
    """Places everything there is to draw of a graph."""
    items = _items(graph)
    links = _links(graph)
    placement = place(list(items.values()), links, GAP_Y)
    past = [_Feedback.of(graph, items, source) for source in graph.feedback().values()]
    # The line that reaches back least runs innermost, so that lines cross little.
    past.sort(key=lambda one: one.layer - min(one.readers))
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
    """A control's default as the file has it, cut to `most` letters."""
    text = legible(json.dumps(graph.spec.inputs[name], ensure_ascii=False))
    return text if len(text) <= most else f"{text[: most - 1]}…"


def pill_text(graph: Graph, key: str) -> tuple[str, str]:
    """The two lines in a control's, a clock's or an output's pill."""
    origin, _, name = key.partition(".")
    if origin == "in":
        return name, default_text(graph, name, 18)
    return name, "the clock" if origin == "clock" else "output"


def short_type(port: Port, dims: Mapping[str, int]) -> str:
    """A port's type in few letters: "int32 50x16"."""
    sizes = [str(dims[name]) if name in dims else name for name in port.shape]
    return " ".join([port.dtype, "x".join(sizes)]).strip()


def lane_text(source: FromPast) -> str:
    """What is written on a line of feedback."""
    return f"{source.port}: delay 1, init {source.init}"


def row_middle(number: int) -> float:
    """The middle of a stage's port, below the stage's top."""
    return HEAD + ROW * (number + 0.5)


def _items(graph: Graph) -> dict[str, Item]:
    """Stages, controls left of their first reader, outputs right of their stage."""
    needs = {
        node.name: [s.stage for s in node.sources.values() if isinstance(s, FromStage)]
        for node in graph.nodes.values()
    }
    outside = _outside(graph)
    shift = 1 if outside else 0
    layer = {name: found + shift for name, found in layers(needs).items()}
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
    """The controls and clocks that are read, each with the stages that read it."""
    found: dict[str, list[str]] = {}
    for node in graph.nodes.values():
        for key in node.inputs:
            source = node.sources[key]
            if isinstance(source, FromControl | FromClock):
                found.setdefault(str(source), []).append(node.name)
    return found


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
    """Letters of a text; those of Chinese, Japanese and Korean are twice as wide."""
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
    """A fed-back port and who reads it, before it has a place."""

    source: FromPast
    layer: int
    leave: float
    readers: Mapping[int, Sequence[tuple[str, float]]]  # by layer: item and input's middle

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
    """Left and right of every layer; upright lines of feedback get room in the gaps."""
    left, right = [], []
    x = MARGIN
    for layer in range(1 + max((item.layer for item in items.values()), default=0)):
        ups = sum(layer in one.readers for one in past)
        downs = sum(one.layer == layer - 1 for one in past)
        x += STEP * (ups + downs) + (GAP_X if layer or ups else 0)
        left.append(x)
        x += max((item.width for item in items.values() if item.layer == layer), default=0.0)
        right.append(x)
    return left, right


def _bottoms(
    items: Mapping[str, Item], links: Sequence[Link], placement: Placement, head: float
) -> dict[int, float]:
    """How far down every layer is taken, by items or by lines that pass it."""
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
    """Gives every fed-back port a way below all that stands between its ends."""
    lanes = []
    for number, one in enumerate(past):
        span = range(min(one.layer, *one.readers), max(one.layer, *one.readers) + 1)
        level = max(bottoms[layer] for layer in span) + LANE
        bottoms.update(dict.fromkeys(span, level))
        before = past[:number]
        down = right[one.layer] + PAD + STEP * sum(other.layer == one.layer for other in before)
        ends = {}
        for layer in sorted(one.readers):
            up = left[layer] - PAD - 4 - STEP * sum(layer in other.readers for other in before)
            ends[up] = sorted((left[layer], tops[key] + y) for key, y in one.readers[layer])
        start = (right[one.layer], tops[f"stage.{one.source.stage}"] + one.leave)
        lanes.append(Lane(one.source, start, down, level, ends))
    return lanes
