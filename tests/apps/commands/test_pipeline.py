"""`soundstage check`, `graph`, `presets`, `--version` and the help."""

from pathlib import Path

import pytest
from command_line import run, told

import soundstage
from soundstage.audio.inspection import inspect

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("which", [["toy"], ["--preset", "toy"], [ROOT / "presets/toy.toml"]])
def test_check_accepts_a_preset_and_a_file(which):
    done = run("check", *which)
    assert done.code == 0, done.stderr
    assert done.stdout.startswith("ok: toy: 7 stages, 22 edges, 10 controls, 2 outputs")
    assert soundstage.load(preset="toy").digest[:12] in done.stdout


def test_check_prints_each_problem_on_a_line(tmp_path):
    text = (ROOT / "presets/toy.toml").read_text("utf-8")
    broken = tmp_path / "broken.toml"
    broken.write_text(
        text.replace('audio = "decode.audio"', 'audio = "decode.sound"').replace(
            '"quantize.tokens"', '"quantise.tokens"'
        )
    )
    done = run("check", broken, "--place", "decode=abacus")
    assert done.code == 4
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert all(line.startswith("soundstage: ") for line in lines)
    for problem in ("'sound'", "did you mean 'quantize'?", "'abacus' is not a device"):
        assert sum(problem in line for line in lines) == 1


def test_check_with_only_a_warning_exits_with_0(tmp_path):
    text = (ROOT / "presets/toy.toml").read_text("utf-8")
    pipeline = tmp_path / "unread.toml"
    pipeline.write_text(text.replace("[inputs]", "[inputs]\nloudness = 1.0", 1))
    done = run("check", pipeline)
    assert done.code == 0
    assert "warning: inputs.loudness" in told(done.stderr)
    assert done.stdout.startswith("ok: ")


def test_check_refuses_a_missing_device():
    done = run("check", "toy", "--place", "decode=cpu:99")
    assert done.code == 4
    assert "--place decode=auto" in told(done.stderr)


@pytest.mark.parametrize(
    ("which", "code", "why"),
    [
        (["nowhere"], 4, "no preset named 'nowhere'"),
        (["nowhere.toml"], 4, "cannot read it"),
        (["toy", "--preset", "tiny"], 2, "two pipelines"),
    ],
)
def test_check_refuses_a_missing_or_doubly_named_pipeline(which, code, why):
    done = run("check", *which)
    assert done.code == code
    assert why in told(done.stderr)


@pytest.mark.parametrize("form", ["text", "mermaid", "svg"])
def test_graph_draws_every_stage_in_each_format(tmp_path, form):
    printed = run("graph", "toy", "--format", form)
    assert printed.code == 0, printed.stderr
    for stage in soundstage.load(preset="toy").nodes:
        assert stage in printed.stdout
    assert run("graph", "toy", "--format", form, "-o", tmp_path / "drawn").code == 0
    assert (tmp_path / "drawn").read_text("utf-8") == printed.stdout


def test_graph_refuses_an_output_in_a_missing_folder(tmp_path):
    done = run("graph", "toy", "-o", tmp_path / "nowhere" / "drawn.txt")
    assert done.code == 6
    assert "no folder" in told(done.stderr)


def test_presets_lists_every_preset_with_its_note():
    lines = run("presets").stdout.splitlines()
    assert [line.split()[0] for line in lines] == soundstage.preset_names()
    assert "(default) a small model of our own, trained on synthesised music" in "".join(lines)


def test_version_is_printed():
    assert run("--version").stdout == f"soundstage {soundstage.__version__}\n"


@pytest.mark.parametrize("command", ["generate", "check", "graph", "presets", "inspect", "verify"])
def test_every_command_has_help(command):
    done = run(command, "--help")
    assert done.code == 0
    assert "Usage: soundstage " + command in done.stdout
    assert "--debug" in done.stdout


@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_help_lists_commands_and_exit_codes(arguments):
    done = run(*arguments)
    assert done.code == 0
    for command in ("generate", "check", "graph", "presets", "inspect", "verify", "Exit codes"):
        assert command in done.stdout


def test_printed_preset_is_its_file_and_is_used_in_its_folder(tmp_path, monkeypatch):
    printed = run("presets", "toy")
    assert printed.stdout == (ROOT / "presets" / "toy.toml").read_text("utf-8")
    monkeypatch.chdir(tmp_path)
    Path("pipeline.toml").write_text(printed.stdout.replace('"toy"', '"mine"'), "utf-8")
    used = "soundstage: uses pipeline.toml of this folder; without it, --preset demo"
    done = run("check")
    assert done.stdout.startswith("ok: mine: 7 stages")
    assert done.stderr.splitlines() == [used]
    short = ("--set", "format.chunk_s=0.4", "--set", "format.context_s=0.8", "--duration", 0.1)
    out = ("--output", "a.wav", "--save", "a.session")
    done = run("generate", "bells", *short, *out)
    assert done.stderr.splitlines()[0] == used
    assert inspect("a.wav").provenance.pipeline == "mine"
    assert run("generate", "bells", *short, *out, "--quiet").stderr == ""
    # Another pipeline is named, or the session has its own.
    for others in (("check", "toy"), ("check", "--preset", "toy")):
        assert run(*others).stderr == ""
    done = run("generate", "bells", "--resume", "a.session", "--duration", 0.1, "-o", "b.wav")
    assert (done.code, used in done.stderr) == (0, False)
    assert "--output and --pipeline" in run("graph", "-o", "pipeline.toml").stderr


def test_presets_refuses_an_unknown_name():
    done = run("presets", "demu")
    assert (done.code, "did you mean 'demo'?" in told(done.stderr)) == (4, True)


@pytest.mark.parametrize("named", ["pipeline.toml", Path("pipeline.toml"), "./pipeline.toml"])
def test_python_opens_a_pipeline_file_by_its_name(tmp_path, monkeypatch, named):
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "presets" / "toy.toml").read_text("utf-8")
    Path("pipeline.toml").write_text(text.replace('"toy"', '"mine"'), "utf-8")
    assert soundstage.load(named).name == "mine"
    assert soundstage.load("toy").name == "toy"
    with pytest.raises(soundstage.Error, match="two pipelines"):
        soundstage.load(named, "other.toml")


def test_former_name_of_the_option_for_guidance_is_read(tmp_path):
    short = ("--preset", "toy", "--set", "format.chunk_s=0.4", "--set", "format.context_s=0.8")
    for number, option in enumerate((("--guidance", 2.5), ("--guidance-weight=2.5",))):
        out = ("--duration", 0.1, "--output", tmp_path / f"{number}.wav")
        assert run("generate", "bells", *short, *option, *out).code == 0
        assert inspect(tmp_path / f"{number}.wav").provenance.controls["guidance"] == 2.5
    assert "guidance-weight" not in run("generate", "--help").stdout


@pytest.mark.ray
def test_check_of_a_placement_on_ray_machines():
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    ray = ("check", "toy", "--runner", "ray")
    assert run(*ray, "--place", "decode={ device = 'cpu', replicas = 3, spares = 1 }").code == 0
    for place, problem in (
        ("decode=gpu:99", "no machine of the cluster has 1 GPU"),
        ("decode={ device = 'cpu', node = 'far' }", "has the label soundstage-node=far"),
        ("decode={ device = 'cpu', resources = { disk = 2 } }", "has 2 disk"),
    ):
        done = run(*ray, "--place", "default=cpu", "--place", place)
        assert (done.code, done.stdout) == (4, "")
        assert "placement of decode" in told(done.stderr)
        assert problem in done.stderr
    done = run("check", "toy", "--ray-address", "auto")
    assert (done.code, "needs --runner ray" in told(done.stderr)) == (2, True)
