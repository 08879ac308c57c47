"""A checked graph: sources, controls, and an order of stages that is always the same."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_graphs import ALLOW, LOOPS, graph, loops, past, tables
from small_stages import NUMBER, Add, Digits

from soundstage.graph.check import build, check
from soundstage.graph.pipeline_file import read_tables
from soundstage.graph.plan import FromClock, FromControl, FromPast, FromStage
from soundstage.graph.spec import parse
from soundstage.presets.preset import preset_path

ROOT = Path(__file__).parents[2]
SUPPORT = ROOT / "tests" / "support"


def positions(checked):
    return {name: index for index, name in enumerate(checked.nodes)}


def test_stage_comes_after_all_stages_it_reads_in_the_same_tick():
    checked = loops()
    assert next(iter(checked.nodes)) == "first"
    for node in checked.nodes.values():
        for source in node.sources.values():
            if isinstance(source, FromStage):
                assert positions(checked)[source.stage] < positions(checked)[node.name]


@settings(max_examples=200)
@given(st.data())
def test_any_graph_without_a_cycle_has_a_valid_order(data):
    count = data.draw(st.integers(1, 8))
    names = data.draw(st.permutations([f"s{number}" for number in range(count)]))
    stage = {}
    for number, name in enumerate(names):
        before = st.sampled_from(["in.number", *(f"{other}.sum" for other in names[:number])])
        after = st.sampled_from(names).map(lambda other: past(f"{other}.sum"))
        wires = {"a": data.draw(before), "b": data.draw(before | after)}
        stage[name] = ("Add", wires)
    written = {name: stage[name] for name in data.draw(st.permutations(names))}
    checked = graph(written, {"number": 1}, {"out": f"{names[-1]}.sum"})
    assert set(checked.nodes) == set(names)
    for node in checked.nodes.values():
        assert list(node.sources) == list(stage[node.name][1])
        for source in node.sources.values():
            if isinstance(source, FromStage):
                assert positions(checked)[source.stage] < positions(checked)[node.name]
    order = [source.stage for source in checked.feedback().values()]
    assert order == sorted(order, key=positions(checked).get)


def test_every_input_has_its_source():
    stage = {
        "now": ("Identify", {"chunk": "clock.chunk"}),
        "sum": ("Add", {"a": "now.number", "b": past("sum.sum", 3)}),
        "end": ("Add", {"a": "in.number", "b": "sum.sum"}),
    }
    checked = graph(stage, {"number": 1}, {"out": "end.sum"})
    sources = {name: node.sources for name, node in checked.nodes.items()}
    assert sources == {
        "now": {"chunk": FromClock("chunk")},
        "sum": {"a": FromStage("now", "number"), "b": FromPast("sum", "sum", 3)},
        "end": {"a": FromControl("number"), "b": FromStage("sum", "sum")},
    }
    spellings = [str(source) for node in checked.nodes.values() for source in node.sources.values()]
    assert spellings == ["clock.chunk", "now.number", "sum.sum", "in.number", "sum.sum"]
    assert checked.outputs == {"out": FromStage("end", "sum")}


def test_feedback_lists_each_port_once_in_the_order_of_stages():
    checked = loops()
    assert list(checked.feedback()) == sorted(
        ["both.sum", "last.number"], key=lambda port: positions(checked)[port.split(".")[0]]
    )
    assert checked.feedback()["last.number"] == FromPast("last", "number", 5)
    assert checked.port(checked.feedback()["both.sum"]) is NUMBER


def test_graph_has_classes_controls_and_devices():
    checked = loops(placement={"default": "cpu", "both": "gpu:1"})
    assert checked.nodes["first"].cls is Digits
    assert checked.nodes["both"].cls is Add
    assert {node.name: node.device for node in checked.nodes.values()} == {
        "first": "cpu",
        "both": "gpu:1",
        "last": "cpu",
    }
    assert checked.controls["number"].port is NUMBER
    assert checked.controls["number"].default == 1
    assert checked.digest == loops().digest


def test_order_of_stages_in_the_file_does_not_change_the_digest():
    backwards = dict(reversed(LOOPS.items()))
    assert graph(backwards, {"number": 1}, {"out": "last.number"}).digest == loops().digest


SCRIPT = """
import json
from soundstage.graph.drawing.text_and_mermaid import draw_mermaid, draw_svg, draw_text
from small_graphs import graph, loops, past
wide = {f"s{n}": ("Add", {"a": "in.number", "b": past(f"s{(n * 7) % 12}.sum")}) for n in range(12)}
# Stages before those that they read: the order of tables must not change the result.
ends = {f"e{n}": ("Add", {"a": f"s{n}.sum", "b": f"s{n + 6}.sum"}) for n in range(6)}
wide = ends | wide | {"end": ("Add", {"a": "e0.sum", "b": "e5.sum"})}
for checked in loops(), graph(wide, {"number": 1}, {"out": "end.sum"}):
    drawn = [draw(checked) for draw in (draw_mermaid, draw_svg, draw_text)]
    print(json.dumps([checked.digest, list(checked.nodes), list(checked.feedback()), drawn]))
"""


def test_hash_seed_does_not_change_order_or_drawings():
    def results(seed):
        path = os.pathsep.join(map(str, (ROOT, SUPPORT, SUPPORT / "graphs", SUPPORT / "stages")))
        process = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=True,
        )
        return [json.loads(line) for line in process.stdout.splitlines()]

    first = results("0")
    assert len(first) == 2
    assert len(first[1][2]) == 12
    for seed in ("1", "2", "31337"):
        assert results(seed) == first


@pytest.mark.parametrize("name", ["toy", "tiny"])
def test_preset_stages_run_in_order_from_embed_to_crossfade(name):
    checked = build(parse(read_tables(preset_path(name))))
    order = list(checked.nodes)
    path = ["embed", "quantize", "pack", "sample", "decode", "crossfade"]
    assert [stage for stage in order if stage in path] == path
    assert set(checked.feedback()) == {"crossfade.tail", "remember.context"}


def test_check_returns_no_graph_for_a_cycle():
    broken = tables({"a": ("Add", {"a": "b.sum", "b": "in.number"})}, {"number": 1}, {"o": "a.sum"})
    checked, problems = check(parse(broken), ALLOW)
    assert checked is None
    assert len(problems) == 1
