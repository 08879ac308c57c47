"""`soundstage new-stage`: what it writes is a stage, its test passes, its pipeline plays."""

import runpy
import sys
import tomllib

import pytest
from command_line import run, told

import soundstage
from soundstage.apps.commands.new_stage.stage_package import NewStage, write_package
from soundstage.audio.inspection import inspect


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("warm_tape", None)


def test_written_stage_passes_its_written_test_and_plays(folder, monkeypatch, capsys):
    written = run("new-stage", "warm_tape")
    assert written.code == 0, written.stderr
    assert "pip install -e ./warm_tape pytest" in written.stdout
    assert '    use    = "warm_tape:WarmTape"' in written.stdout
    monkeypatch.syspath_prepend(folder / "warm_tape")
    tests = runpy.run_path("warm_tape/test_warm_tape.py")
    names = [name for name in tests if name.startswith("test_")]
    assert len(names) == 2
    for name in names:
        tests[name]()
    assert "a new process gives equal bytes" in capsys.readouterr().out
    options = ("--pipeline", "warm_tape/warm_tape.toml", "--allow", "warm_tape")
    checked = run("check", *options[1:])
    assert (checked.code, checked.stdout[:14]) == (0, "ok: warm_tape:"), checked.stderr
    played = run("generate", "bells", *options, "--duration", "0.5", "--output", "out.wav")
    assert played.code == 0, played.stderr
    assert inspect("out.wav").peak_dbfs <= 0
    refused = run("check", "warm_tape/warm_tape.toml")
    assert refused.code == 4
    assert "allow it with --allow warm_tape" in refused.stderr


@pytest.mark.parametrize("preset", soundstage.preset_names())
def test_pipeline_of_every_preset_plays_through_the_stage(folder, preset):
    stage = NewStage.of("warm_tape", preset)
    before, after = tomllib.loads(stage.pipeline), tomllib.loads(stage.contents()["warm_tape.toml"])
    assert after["outputs"].pop("audio") == "warm_tape.audio"
    lines = after["stage"].pop("warm_tape")
    assert lines["inputs"] == {"audio": before["outputs"].pop("audio")}
    assert after.pop("name") == "warm_tape"
    assert after == {key: value for key, value in before.items() if key != "name"}


def test_package_is_what_pip_installs(folder):
    stage = NewStage.of("warm_tape", "toy")
    write_package(stage, folder / "warm_tape")
    project = tomllib.loads((folder / "warm_tape" / "pyproject.toml").read_text())
    assert project["project"]["name"] == "warm-tape"
    assert project["tool"]["setuptools"]["py-modules"] == ["warm_tape"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["Warm"], 2, "is no name of a module: use a-z, 0-9 and _, such as warmth"),
        (["class"], 2, "is no name of a module"),
        (["in"], 2, "is no name of a module"),
        (["clock"], 2, "has a stage of this name"),
        (["decode"], 2, "the preset toy has a stage of this name: use another"),
        (["json"], 2, "Python has a module of this name"),
        (["there"], 6, "there: exists: use another name, or remove it"),
        (["warm_tape", "--preset", "demoo"], 4, "did you mean 'demo'"),
    ],
)
def test_names_that_are_taken_or_no_names_are_refused(folder, arguments, code, words):
    (folder / "there").mkdir()
    refused = run("new-stage", *arguments)
    assert refused.code == code
    assert words in told(refused.stderr)
    assert [path.name for path in folder.iterdir()] == ["there"]
