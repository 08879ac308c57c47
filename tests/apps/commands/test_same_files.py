"""An output that is one of the inputs is refused, whatever its path, and the file stays."""

import os
import shutil

import numpy as np
import pytest
import soundfile
from command_line import run, told
from safetensors.numpy import save_file

import soundstage
from soundstage.apps.commands.same_files import is_same_file
from soundstage.stages.weights.models_folder import models_folder

SHORT = ["--set", "format.chunk_s=0.08", "--set", "format.context_s=0.08"]
TOY = ["--preset", "toy", *SHORT, "--duration", 0.1, "--quiet"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """One file of each kind that commands read."""
    folder = tmp_path_factory.mktemp("made")
    soundfile.write(folder / "in.wav", np.sin(np.arange(48_000) / 20)[:, None] * 0.3, 48_000)
    others = ["--save", folder / "in.session", "--record", folder / "in.arrow"]
    done = run("generate", "pads", *TOY, "-o", folder / "out.wav", *others)
    assert done.code == 0, done.stderr
    preset = soundstage.load("toy").spec.as_dict()
    assert preset["name"] == "toy"
    source = os.path.join(os.path.dirname(soundstage.__file__), "presets", "toy.toml")
    shutil.copy(source, folder / "in.toml")
    return folder


@pytest.fixture
def files(made, tmp_path):
    folder = tmp_path / "files"
    shutil.copytree(made, folder)
    return folder


def spellings(path):
    """Other names of one file."""
    link, hard = path.with_name(f"link{path.suffix}"), path.with_name(f"hard{path.suffix}")
    link.symlink_to(path.name)
    hard.hardlink_to(path)
    return path, path.parent / ".." / path.parent.name / path.name, link, hard


def refuse(path, *arguments):
    before = path.read_bytes()
    done = run(*arguments)
    assert done.code == 2, done.stderr
    assert path.read_bytes() == before
    return told(done.stderr)


def test_generate_refuses_an_output_that_is_its_audio_prompt(files):
    path = files / "in.wav"
    for output in spellings(path):
        line = refuse(path, "generate", *TOY, "--audio", path, "-o", output)
        assert f"--output and --audio both name {output}" in line


@pytest.mark.parametrize(
    ("inputs", "outputs", "name"),
    [
        (["--continue-from", "in.wav"], ["-o", "in.wav"], "in.wav"),
        (["--audio", "in.wav"], ["-o", "new.wav", "--save", "in.wav"], "in.wav"),
        (["--audio", "in.wav:0.5"], ["-o", "new.wav", "--journal", "in.wav"], "in.wav"),
        (["--audio", "in.wav"], ["-o", "new.wav", "--record", "in.wav"], "in.wav"),
        (["--pipeline", "in.toml"], ["-o", "new.wav", "--trace", "in.toml"], "in.toml"),
        (["--resume", "in.session"], ["-o", "new.wav", "--record", "in.session"], "in.session"),
    ],
)
def test_generate_refuses_every_output_that_is_an_input(files, monkeypatch, inputs, outputs, name):
    monkeypatch.chdir(files)
    pipeline = [] if "--pipeline" in inputs or "--resume" in inputs else ["--preset", "toy"]
    line = refuse(files / name, "generate", *pipeline, "--duration", 0.1, *inputs, *outputs)
    assert "the output would replace the input" in line
    assert not (files / "new.wav").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["play", *TOY, "--audio", "in.wav", "--output", "in.wav"],
        ["play", *TOY, "--audio", "in.wav", "--output", "new.wav", "--save", "./in.wav"],
        ["variants", *TOY[:-1], "--list", "in.toml", "--trace", "in.toml", "--quiet"],
        ["graph", "in.toml", "--output", "in.toml"],
        ["inspect", "in.wav", "--plot", "in.wav"],
        ["replay", "in.arrow", "--output", "hard.arrow"],
    ],
    ids=lambda arguments: " ".join(map(str, arguments))[:8],
)
def test_commands_refuse_an_output_that_is_their_input(files, monkeypatch, arguments):
    monkeypatch.chdir(files)
    (files / "hard.arrow").hardlink_to(files / "in.arrow")
    if "--list" in arguments:
        (files / "in.toml").write_text('[[variant]]\nprompts = "pads"\n')
    name = next(word for word in arguments if str(word).startswith("in."))
    refuse(files / name, *arguments)


def test_session_is_continued_in_its_own_file(files):
    path = files / "in.session"
    before = path.read_bytes()
    arguments = ["--resume", path, "--save", path, "-o", files / "more.wav"]
    done = run("generate", "--duration", 0.1, "--quiet", *arguments)
    assert done.code == 0, done.stderr
    assert path.read_bytes() != before


def test_session_of_another_pipeline_is_not_replaced(files):
    path = files / "in.session"
    before = path.read_bytes()
    arguments = ["--preset", "toy", "--duration", 0.1, "-o", files / "more.wav", "--save", path]
    done = run("generate", "--quiet", *arguments)
    assert done.code == 6, done.stderr
    assert "holds a session of another pipeline, 'toy'" in told(done.stderr)
    assert path.read_bytes() == before
    assert not (files / "more.wav").exists()


def test_links_that_lead_nowhere_are_other_files(tmp_path):
    loop = tmp_path / "loop"
    loop.symlink_to("loop")
    assert not is_same_file(loop, tmp_path / "a")
    assert not is_same_file(tmp_path / "a\0", tmp_path / "a")
    assert is_same_file(tmp_path / "new", tmp_path / ".." / tmp_path.name / "new")


def test_models_convert_refuses_every_name_of_its_source(files, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(files))
    models = models_folder()
    models.mkdir(parents=True)
    path = models / "mine.safetensors"
    save_file({"x": np.zeros(3, np.float32)}, path)
    for target in (*spellings(path), "mine"):
        assert "TARGET and SOURCE both name" in refuse(path, "models", "convert", path, target)
    refuse(path, "models", "convert", "mine", "mine", "--dtype", "bfloat16")
    refuse(path, "models", "convert", models, path)


def test_outputs_may_not_be_weights_of_the_pipeline(files):
    weights = files / "weights"
    weights.mkdir()
    path = weights / "part.safetensors"
    save_file({"x": np.zeros(3, np.float32)}, path)
    setting = ["--set", f"embed.params.weights={weights}"]
    line = refuse(path, "generate", *TOY, *setting, "-o", files / "new.wav", "--save", path)
    assert "--save and the parameter embed.weights both name" in line


def test_finetune_refuses_to_replace_its_pipeline_and_its_weights(files):
    mine = files / "mine"
    mine.mkdir()
    pipeline, weights = mine / "pipeline.toml", mine / "depthformer.safetensors"
    shutil.copy(files / "in.toml", pipeline)
    save_file({"x": np.zeros(3, np.float32)}, weights)
    command = ["finetune", "--data", files, "--output", mine, "--steps", 1]
    line = refuse(pipeline, *command, "--pipeline", pipeline)
    assert f"--output and --pipeline both name {pipeline}" in line
    setting = ["--set", f"embed.params.weights={weights}"]
    line = refuse(weights, *command, "--preset", "toy", *setting)
    assert f"--output and the parameter embed.weights both name {weights}" in line
