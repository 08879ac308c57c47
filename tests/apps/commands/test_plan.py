"""`soundstage plan`: its proposals are valid placements, and damaged timelines are refused."""

import json
import os
import shlex
import tomllib

import pytest
from command_line import run, told
from planned_graphs import STEADY_S, default
from running_graphs import graph

from soundstage.apps.commands.plan.plan_report import option, toml
from soundstage.graph.overrides import apply
from soundstage.graph.placement import placement_problems
from soundstage.graph.spec import parse
from soundstage.runners.local import LocalRunner
from soundstage.runners.sessions.session import Session
from soundstage.runners.timing.planner import Machines, propose
from soundstage.runners.timing.timeline import open_timeline


@pytest.fixture(scope="module")
def timeline(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plan")
    done = run(
        *("generate", "--preset", "toy", "--duration", 6),
        *("--output", folder / "a.wav", "--trace", folder / "t.json"),
    )
    assert done.code == 0, done.stderr
    return folder / "t.json"


def pasted(stdout):
    lines = stdout.splitlines()
    start = lines.index("[placement]")
    return lines[start : lines.index("", start)], lines[-1]


@pytest.mark.parametrize("machines", [("--gpus", 0), ("--gpus", 0, "--cpus", 4, "--rows", 8)])
def test_proposal_checks_clean_as_a_table_and_as_options(timeline, tmp_path, machines):
    done = run("plan", timeline, *machines)
    assert done.code == 0, done.stderr
    table, options = pasted(done.stdout)
    file = tmp_path / "placed.toml"
    toy = json.loads(timeline.read_text())["otherData"]["pipeline"]
    del toy["placement"]
    file.write_text("\n".join([inline(toy), *table]))
    assert run("check", file).code == 0
    words = [word for word in shlex.split(options) if not word.isdigit() and word != "--window"]
    assert run("check", "toy", *words).code == 0


def inline(tables):
    return "\n".join(f"{key} = {toml_value(value)}" for key, value in tables.items())


def toml_value(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k} = {toml_value(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    return json.dumps(value)


@pytest.mark.parametrize("machines", [Machines(2), Machines(3), Machines(0, 2, 3), Machines(4, 1)])
@pytest.mark.parametrize("rows", [1, 8])
def test_every_proposal_parses_and_has_no_problem(machines, rows):
    case = default()
    proposal = propose(case, machines, rows)
    text = "\n".join(f"{name} = {toml(entry)}" for name, entry in proposal.placement.items())
    tables = case.spec.as_dict()
    places = [f"{name}={option(entry)}" for name, entry in proposal.placement.items()]
    for placement in (tomllib.loads(text), apply(tables, (), places)["placement"]):
        placed = parse(tables | {"placement": placement})
        for name in placed.stage:
            entry = placed.placement_of(name)
            assert list(placement_problems(name, entry)) == []
            whole = case.spec.model_copy(update={"placement": dict(proposal.placement)})
            assert entry == whole.placement_of(name)


def test_json_has_both_predictions_and_their_limits(timeline):
    done = run("plan", timeline, "--gpus", 2, "--rows", 4, "--deadline-s", 0.5, "--json")
    report = json.loads(done.stdout)
    assert report["rows"] == 4
    assert report["deadline_s"] == 0.5
    assert report["proposed"]["tick_s"] <= report["present"]["tick_s"]
    assert report["proposed"]["limit"].startswith("limited by")
    assert set(report["stages"]) == set(STEADY_S)
    assert any("in proportion" in caution for caution in report["cautions"])


def changed(timeline, change):
    document = json.loads(timeline.read_text())
    change(document)
    return json.dumps(document)


def without_decode(document):
    events = document["traceEvents"]
    lanes = {e["tid"] for e in events if e["ph"] == "M" and e["args"].get("name") == "decode"}
    document["traceEvents"] = [e for e in events if e["tid"] not in lanes]


def backwards(document):
    next(event for event in document["traceEvents"] if event["ph"] == "X")["dur"] = -1.0


def around(document):
    document["otherData"]["pipeline"]["stage"]["embed"]["inputs"]["texts"] = "decode.audio"


def misplaced(document):
    document["otherData"]["pipeline"]["placement"] = {"default": "abacus"}


@pytest.mark.parametrize(
    ("make", "code", "why"),
    [
        (lambda _: "RIFF", 3, "is not JSON"),
        (lambda _: "[]", 3, "is no timeline"),
        (lambda _: '{"traceEvents": []}', 3, "names no pipeline"),
        (lambda t: changed(t, lambda d: d.update(traceEvents=[])), 3, "lacks the stages embed, "),
        (lambda t: changed(t, without_decode), 3, "lacks the stages decode;"),
        (lambda t: changed(t, lambda d: d.update(traceEvents=[7])), 3, "is a damaged timeline"),
        (lambda t: changed(t, backwards), 3, "is a damaged timeline"),
        (lambda t: changed(t, around), 3, "a cycle without a delay"),
        (lambda t: changed(t, misplaced), 4, "'abacus' is not a device"),
        (lambda t: changed(t, lambda d: d["otherData"]["pipeline"].pop("stage")), 4, "stage"),
    ],
)
def test_damaged_timeline_is_refused_in_one_line(timeline, tmp_path, make, code, why):
    (tmp_path / "bad.json").write_text(make(timeline))
    done = run("plan", tmp_path / "bad.json", "--gpus", 0)
    assert done.code == code
    assert why in (told(done.stderr) if code == 3 else done.stderr)
    assert done.stdout == ""


def test_timelines_of_two_graphs_are_refused(timeline, tmp_path):
    other = graph({"index": ("Identify", {}, {"chunk": "clock.chunk"})}, {"n": "index.number"})
    with LocalRunner(other) as runner, open_timeline(tmp_path / "other.json", other, "1") as writer:
        writer.write(next(Session(runner)))
    done = run("plan", timeline, tmp_path / "other.json", "--gpus", 0)
    assert done.code == 3
    assert "is of another graph" in told(done.stderr)


def test_missing_timeline_is_refused(tmp_path):
    done = run("plan", tmp_path / f"none-{os.getpid()}.json")
    assert done.code == 3
    assert "No such file" in told(done.stderr)


def test_given_times_replace_measured_ones_and_music_has_its_price(timeline):
    times = ("--time", "sample=5", "--time", "sample=8@4", "--time", "decode=1")
    done = run("plan", timeline, "--gpus", 0, *times, "--rows", 2, "--price", 9, "--json")
    assert done.code == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["stages"]["sample"] == {"steady_s": 6.0, "steered_s": 6.0}
    assert report["stages"]["decode"] == {"steady_s": 2.0, "steered_s": 2.0}
    streams = report["present"]["streams_in_real_time"]
    assert streams == pytest.approx(2 * 2 / 8, rel=0.05)  # both on one processor
    assert report["present"]["cost_of_an_hour_of_music"] == pytest.approx(9 / streams)
    assert "given with --time, not measured: decode, sample" in report["cautions"][0]


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("sample", "STAGE=SECONDS"),
        ("sample=fast", "STAGE=SECONDS"),
        ("sample=1@0", "STAGE=SECONDS"),
        ("sample=nan", "STAGE=SECONDS"),
        ("sampel=1", "did you mean 'sample'?"),
    ],
)
def test_times_that_are_none_are_refused(timeline, word, reason):
    done = run("plan", timeline, "--gpus", 0, "--time", word)
    assert done.code == 3
    assert reason in done.stderr
