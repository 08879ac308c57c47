"""`check` beyond single mistakes: shipped pipelines, side effects, several problems at once."""

import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_graphs import ALLOW, tables

from soundstage.graph.check import build, check
from soundstage.graph.pipeline_file import read_tables
from soundstage.graph.spec import parse
from soundstage.presets.preset import preset_names, preset_path

ROOT = Path(__file__).parents[2]
DEFAULT = ROOT / "pipeline.toml"
SHIPPED = [DEFAULT, *map(preset_path, preset_names())]
TOY = read_tables(preset_path("toy"))


def without(table, *keys):
    return {key: value for key, value in table.items() if key not in keys}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_shipped_pipeline_has_no_problem_and_no_warning(path):
    graph, problems = check(parse(read_tables(path)))
    assert problems == []
    assert graph is not None


def test_the_default_pipeline_is_the_preset_its_header_names():
    header = DEFAULT.read_text("utf-8").split("\n\n")[0]
    assert "of the preset `demo`" in " ".join(header.replace("#", "").split())
    default, demo = read_tables(DEFAULT), read_tables(preset_path("demo"))
    assert without(default, "name") == without(demo, "name")
    assert default["name"] != demo["name"]


def test_toy_differs_from_tiny_only_in_sample_and_decode():
    tiny = read_tables(preset_path("tiny"))
    assert without(TOY, "name", "note", "stage") == without(tiny, "name", "note", "stage")
    assert TOY["stage"].keys() == tiny["stage"].keys()
    other = {name for name, stage in TOY["stage"].items() if stage != tiny["stage"][name]}
    assert other == {"sample", "decode"}
    for name in other:
        assert TOY["stage"][name]["inputs"] == tiny["stage"][name]["inputs"]


def test_check_builds_no_stage_and_calls_none():
    # All three stages raise when they are built.
    changed = deepcopy(TOY) | {"outputs": {"half": "half.audio", "texts": "echo.texts"}}
    changed["stage"]["decode"]["use"] = "broken_stages:UnbuildableDecode"
    changed["stage"]["echo"] = {"use": "odd_stages:Echo", "inputs": {"texts": "in.texts"}}
    changed["stage"]["half"] = {"use": "odd_stages:Half", "inputs": {"audio": "crossfade.audio"}}
    graph, problems = check(parse(changed), ["odd_stages", "broken_stages"])
    assert problems == []
    assert graph is not None


def test_check_accepts_weights_that_do_not_exist():
    changed = deepcopy(TOY)
    changed["stage"]["embed"]["params"]["weights"] = "no such model"
    graph, problems = check(parse(changed))
    assert problems == []
    assert graph is not None
    assert graph.nodes["embed"].params.weights == "no such model"


SCRIPT = """
import sys
from soundstage.graph.check import check
from soundstage.graph.pipeline_file import read_tables
from soundstage.graph.spec import parse
from soundstage.presets.preset import preset_path
spec = parse(read_tables(preset_path("tiny")))
check(spec)  # imports the stages' modules
seen = []
sys.addaudithook(lambda event, args: seen.append(event) if event.split(".")[0] in WATCHED else None)
graph, problems = check(spec)
print(seen, problems, graph is not None)
"""


def test_check_opens_no_file_and_no_socket_and_starts_no_process():
    watched = "WATCHED = {'open', 'os', 'socket', 'subprocess', 'mmap', 'shutil', 'tempfile'}\n"
    done = subprocess.run(
        [sys.executable, "-c", watched + SCRIPT],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split("\n")[0] == "[] [] True"


MISTAKES = {
    "stage.crossfade: input 'tail' is not wired": lambda t: t["stage"]["crossfade"]["inputs"].pop(
        "tail"
    ),
    "stage.quantize.params: no parameter named 'size'": lambda t: t["stage"]["quantize"][
        "params"
    ].update(size=1),
    "stage.pack: no input named 'stile'": lambda t: t["stage"]["pack"]["inputs"].update(
        stile="quantize.tokens"
    ),
    "in.noise -> outputs.noise: an output is a stage's port": lambda t: t["outputs"].update(
        noise="in.noise"
    ),
    "outputs.two words: not a name": lambda t: t["outputs"].update({"two words": "decode.audio"}),
    "placement.sampel: no such stage": lambda t: t["placement"].update(sampel="cpu"),
    "placement.sample: 'cuda' is not a device": lambda t: t["placement"].update(sample="cuda"),
    "inputs.top_k: the default does not fit": lambda t: t["inputs"].update(top_k="many"),
    "format.hop: no such key": lambda t: t["format"].update(hop=1920),
    "stage.extra: module 'os' is outside stages": lambda t: t["stage"].update(
        extra={"use": "os:Path"}
    ),
    "sample.tokens -> sample.seed: ": lambda t: t["stage"]["sample"]["inputs"].update(
        seed="sample.tokens"
    ),
}


@settings(max_examples=60)
@given(st.sets(st.sampled_from([*MISTAKES]), min_size=1))
def test_check_reports_all_mistakes_at_once(chosen):
    changed = deepcopy(TOY)
    for mistake in chosen:
        MISTAKES[mistake](changed)
    graph, problems = check(parse(changed))
    errors = [str(problem) for problem in problems if not problem.warning]
    assert graph is None
    for mistake in chosen:
        assert [line for line in errors if line.startswith(mistake)], (mistake, errors)
    # A stage that feeds itself breaks two rules; every other mistake is reported once.
    cycles = [line for line in errors if "a cycle without delay" in line]
    assert len(errors) == len(chosen) + len(cycles)
    assert len(cycles) == any("sample.seed" in mistake for mistake in chosen)


def test_building_twice_gives_equal_graphs_and_changes_no_table():
    before = deepcopy(TOY)
    spec = parse(TOY)
    first, second = build(spec), build(spec)
    assert list(first.nodes) == list(second.nodes)
    assert first.digest == second.digest == spec.digest()
    assert before == TOY


def test_allowed_prefix_holds_only_for_one_check():
    spec = parse(tables({"a": ("Add", {"a": "in.n", "b": "in.n"})}, {"n": 1}, {"out": "a.sum"}))
    assert check(spec, ALLOW)[0] is not None
    graph, problems = check(spec)
    assert graph is None
    assert "--allow small_stages" in problems[0].cure
