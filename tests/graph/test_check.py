"""What a table of bad pipelines cannot say of `check`: what it leaves alone, and all at once."""

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
def test_what_ships_is_right_without_a_warning(path):
    graph, problems = check(parse(read_tables(path)))
    assert problems == []
    assert graph is not None


def test_the_default_pipeline_is_the_preset_its_header_names():
    header = DEFAULT.read_text("utf-8").split("\n\n")[0]
    assert "settings of the preset `demo`" in " ".join(header.replace("#", "").split())
    default, demo = read_tables(DEFAULT), read_tables(preset_path("demo"))
    assert without(default, "name") == without(demo, "name")
    assert default["name"] != demo["name"]


def test_toy_is_tiny_but_for_the_stand_ins_its_header_names():
    tiny = read_tables(preset_path("tiny"))
    assert without(TOY, "name", "note", "stage") == without(tiny, "name", "note", "stage")
    assert TOY["stage"].keys() == tiny["stage"].keys()
    other = {name for name, stage in TOY["stage"].items() if stage != tiny["stage"][name]}
    assert other == {"sample", "decode"}
    for name in other:
        assert TOY["stage"][name]["inputs"] == tiny["stage"][name]["inputs"]


def test_no_stage_is_built_and_none_called():
    # All three raise when they are built.
    changed = deepcopy(TOY) | {"outputs": {"half": "half.audio", "texts": "echo.texts"}}
    changed["stage"]["decode"]["use"] = "broken_stages:UnbuildableDecode"
    changed["stage"]["echo"] = {"use": "odd_stages:Echo", "inputs": {"texts": "in.texts"}}
    changed["stage"]["half"] = {"use": "odd_stages:Half", "inputs": {"audio": "crossfade.audio"}}
    graph, problems = check(parse(changed), ["odd_stages", "broken_stages"])
    assert problems == []
    assert graph is not None


def test_weights_that_are_nowhere_are_nothing_to_check():
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


def test_a_check_opens_no_file_no_socket_and_starts_nothing():
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


@settings(max_examples=60, deadline=None)
@given(st.sets(st.sampled_from([*MISTAKES]), min_size=1))
def test_all_mistakes_are_told_in_one_go(chosen):
    changed = deepcopy(TOY)
    for mistake in chosen:
        MISTAKES[mistake](changed)
    graph, problems = check(parse(changed))
    said = [str(problem) for problem in problems if not problem.warning]
    assert graph is None
    for mistake in chosen:
        assert [line for line in said if line.startswith(mistake)], (mistake, said)
    # A stage that feeds itself is a mistake of two rules; everything else is told once.
    cycles = [line for line in said if "a cycle without delay" in line]
    assert len(said) == len(chosen) + len(cycles)
    assert len(cycles) == any("sample.seed" in mistake for mistake in chosen)


def test_checking_twice_gives_the_same_and_changes_nothing():
    before = deepcopy(TOY)
    spec = parse(TOY)
    first, second = build(spec), build(spec)
    assert list(first.nodes) == list(second.nodes)
    assert first.digest == second.digest == spec.digest()
    assert before == TOY


def test_a_prefix_is_allowed_only_for_the_check_it_is_given_to():
    spec = parse(tables({"a": ("Add", {"a": "in.n", "b": "in.n"})}, {"n": 1}, {"out": "a.sum"}))
    assert check(spec, ALLOW)[0] is not None
    graph, problems = check(spec)
    assert graph is None
    assert "--allow small_stages" in problems[0].cure
