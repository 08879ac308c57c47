"""Drawings show every stage, edge and feedback, and are well-formed for any names."""

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_graphs import graph, loops

from soundstage.graph.check import build
from soundstage.graph.drawing.sheet import lay_out
from soundstage.graph.drawing.text_and_mermaid import WIDTH, draw_mermaid, draw_svg, draw_text
from soundstage.graph.pipeline_file import read_tables
from soundstage.graph.plan import FromControl, FromPast, FromStage
from soundstage.graph.spec import parse
from soundstage.presets.preset import preset_names, preset_path

SVG = "{http://www.w3.org/2000/svg}"
GRAPHS = {
    **{name: build(parse(read_tables(preset_path(name)))) for name in preset_names()},
    "loops": loops(),
    "one stage": graph({"a": ("Identify", {"chunk": "clock.chunk"})}, {}, {"out": "a.number"}),
}


@pytest.fixture(params=GRAPHS)
def drawn(request):
    return GRAPHS[request.param]


def edges(checked, kind):
    """Returns every edge of a kind as (source, "stage.input")."""
    return {
        (source, f"{node.name}.{key}")
        for node in checked.nodes.values()
        for key, source in node.sources.items()
        if isinstance(source, kind)
    }


def boxes(text):
    """Returns the lines within each stage's box, by stage."""
    lines_of = {}
    for line in text.splitlines():
        if line.startswith("╭─ "):
            inside = lines_of.setdefault(line.split()[1], [])
        elif line.startswith("│ "):
            inside.append(line.strip("│ "))
    return lines_of


def test_text_shows_every_stage_with_its_class_and_device(drawn):
    text = draw_text(drawn)
    assert list(boxes(text)) == list(drawn.nodes)
    for node in drawn.nodes.values():
        assert f"╭─ {node.name} ── {node.use} ─" in text
        assert f"─ {node.device} ─╮" in text


def test_text_shows_every_edge_at_its_input(drawn):
    for name, lines in boxes(draw_text(drawn)).items():
        for key, source in drawn.nodes[name].sources.items():
            rows = [line for line in lines if line.split()[:1] == [key]]
            texts = {" ".join(row.split()[1:]) for row in rows}
            past = isinstance(source, FromPast)
            expected = f"◀╌╌ {source}, delay 1, init {source.init}" if past else f"◀── {source}"
            assert expected in texts


def test_text_shows_every_edge_at_its_output(drawn):
    text = boxes(draw_text(drawn))
    for source, reader in edges(drawn, FromStage | FromPast):
        assert any(reader in line.replace(",", " ").split() for line in text[source.stage])
    for name, source in drawn.outputs.items():
        assert any(f"outputs.{name}" in line for line in text[source.stage])
        assert re.search(rf"^  {name} +◀── {re.escape(str(source))}$", draw_text(drawn), re.M)


def test_text_shows_every_control_and_fits_a_terminal(drawn):
    text = draw_text(drawn)
    for name in drawn.controls:
        assert re.search(rf"^  {name} .* = ", text, re.M)
    assert max(map(len, text.splitlines())) <= WIDTH
    assert len({len(line) for line in text.splitlines() if line.startswith(("╭", "│", "╰"))}) == 1
    assert all(line == line.rstrip() for line in text.splitlines())


def test_text_says_what_the_numbers_of_a_control_mean():
    lines = [re.split(r"  +", line.strip()) for line in draw_text(GRAPHS["demo"]).splitlines()]
    assert ["bpm", "float32", "= 0.0", "[0, 300] beats a minute, 0 = free"] in lines
    assert ["density", "float32", "= -1.0", "[0, 1], -1 = free"] in lines
    assert ["top_k", "int32", "= 0", ">= 0, 0 = no cut"] in lines


def test_text_marks_feedback_at_both_ends(drawn):
    dashed = draw_text(drawn).count("◀╌╌")
    assert dashed == len(edges(drawn, FromPast))
    assert draw_text(drawn).count("╌╌▶") == len(drawn.feedback())
    assert draw_text(drawn).count("delay 1") == dashed + len(drawn.feedback())


NODE = re.compile(r"  (\w+)(\(\[.*\]\)|\{\{.*\}\}|\[/.*/\]|\[.*\])$")
EDGE = re.compile(r'  (\w+) (-->|-\.->)(?:\|"([^"]*)"\|)? (\w+)$')
RESERVED = {"end", "graph", "subgraph", "flowchart", "style", "class", "click", "linkStyle"}


def test_mermaid_has_legal_names_and_only_nodes_and_edges(drawn):
    head, title, rule, kind, *lines = draw_mermaid(drawn).split("\n")
    assert (head, rule, kind) == ("---", "---", "flowchart LR")
    assert title == f'title: "{drawn.name}"'
    nodes = [match[1] for line in lines if (match := NODE.match(line))]
    links = [match for line in lines if (match := EDGE.match(line))]
    assert len(nodes) + len(links) == len(lines)
    assert len(set(nodes)) == len(nodes)
    assert not set(nodes) & RESERVED
    assert all(name.isascii() and not name[0].isdigit() for name in nodes)
    assert {end for link in links for end in (link[1], link[4])} == set(nodes)


def test_mermaid_shows_every_edge_and_dots_feedback(drawn):
    lines = draw_mermaid(drawn).split("\n")
    links = [match.groups() for line in lines if (match := EDGE.match(line))]
    expected = []
    for node in drawn.nodes.values():
        for key, source in node.sources.items():
            if isinstance(source, FromStage | FromPast):
                ports = source.port if source.port == key else f"{source.port} → {key}"
                past = isinstance(source, FromPast)
                label = f"{ports}<br/>delay 1" if past else ports
                arrow = "-.->" if past else "-->"
                expected.append((f"stage_{source.stage}", arrow, label, f"stage_{node.name}"))
            else:
                origin = "in" if isinstance(source, FromControl) else "clock"
                sink = f"stage_{node.name}"
                expected.append((f"{origin}_{source.name}", "-->", None, sink))
    for name, source in drawn.outputs.items():
        expected.append((f"stage_{source.stage}", "-->", source.port, f"out_{name}"))
    assert sorted(map(str, links)) == sorted(map(str, expected))


def test_svg_is_well_formed_and_self_contained(drawn):
    svg = draw_svg(drawn)
    root = ElementTree.fromstring(svg)
    assert root.tag == f"{SVG}svg"
    tags = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert tags <= {"svg", "title", "desc", "style", "rect", "text", "g", "path", "circle"}
    attributes = [name for element in root.iter() for name in element.attrib]
    assert not [name for name in attributes if "href" in name or name.startswith("on")]
    assert not re.search(r"url\(|@import|https?:", svg.replace(SVG.strip("{}"), ""))


def elements(checked, tag, style):
    root = ElementTree.fromstring(draw_svg(checked))
    return [e for e in root.iter(SVG + tag) if style in e.get("class", "").split()]


def test_svg_shows_every_stage_port_control_and_output(drawn):
    root = ElementTree.fromstring(draw_svg(drawn))
    titles = [element.text for element in root.iter(f"{SVG}title")]
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert drawn.name in texts
    for node in drawn.nodes.values():
        assert f"{node.name}: {node.use} on {node.device}" in titles
        assert {node.name, node.use, *node.inputs, *node.outputs} <= set(texts)
        for name, port in node.outputs.items():
            shape = port.spelled_shape(drawn.format.dims)
            assert f"{node.name}.{name}: {port.kind} {shape} {port.dtype}" in titles
    assert {f"in.{name}" for name in drawn.controls} <= set(titles)
    assert {f"outputs.{name}" for name in drawn.outputs} <= set(titles)


def test_svg_has_a_line_for_every_edge_and_dashes_feedback(drawn):
    now = len(edges(drawn, FromStage)) + len(drawn.outputs)
    assert len(elements(drawn, "path", "edge")) == now
    assert len(elements(drawn, "path", "edge-control")) == len(
        {(str(s), sink) for s, sink in edges(drawn, object) if not hasattr(s, "port")}
    )
    labels = [element.text for element in elements(drawn, "text", "later")]
    past = drawn.feedback().values()
    assert sorted(labels) == sorted(f"{s.port}: delay 1, init {s.init}" for s in past)
    assert len(elements(drawn, "path", "dot-past")) == len(edges(drawn, FromPast))
    assert len(elements(drawn, "path", "past")) >= len(past)


def test_svg_has_no_item_outside_the_sheet_and_no_overlap(drawn):
    root = ElementTree.fromstring(draw_svg(drawn))
    _, _, width, height = map(float, root.get("viewBox").split())
    frames = []
    for rect in root.iter(f"{SVG}rect"):
        if rect.get("class") != "page":
            x, y, w, h = (float(rect.get(name)) for name in ("x", "y", "width", "height"))
            assert 0 <= x <= x + w <= width
            assert 0 <= y <= y + h <= height
            frames.append((x, y, x + w, y + h))
    for index, (left, top, right, bottom) in enumerate(frames):
        for x, y, x2, y2 in frames[:index]:
            assert x2 <= left or right <= x or y2 <= top or bottom <= y
    assert len(frames) == len(lay_out(drawn).items)


@pytest.mark.parametrize("draw", [draw_text, draw_mermaid, draw_svg])
def test_equal_graphs_give_equal_drawings(draw):
    assert draw(loops()) == draw(loops())


@settings(max_examples=100)
@given(st.text(st.characters(), max_size=20), st.text(st.characters(), max_size=20))
def test_drawing_is_well_formed_for_any_name_and_note(name, note):
    checked = loops(name=name, note=note)
    root = ElementTree.fromstring(draw_svg(checked))
    assert len(root.findall(f"{SVG}g")) == len(lay_out(checked).items)
    printed = draw_text(checked)
    assert not [c for c in printed if (ord(c) < 32 and c != "\n") or 127 <= ord(c) < 160]
    assert len(boxes(printed)) == 3
    assert draw_mermaid(checked).split("\n")[3] == "flowchart LR"


def test_markup_and_escapes_in_a_control_are_drawn_as_text():
    odd = '</text><script>"\x1b[31m\x9b\ufffe&'
    measure = {"m": ("Measure", {"notes": "in.notes"})}
    checked = graph(measure, {"notes": [odd]}, {"out": "m.length"})
    root = ElementTree.fromstring(draw_svg(checked))
    assert not list(root.iter(f"{SVG}script"))
    assert "\x1b" not in draw_text(checked)
    assert "\x9b" not in draw_text(checked)
