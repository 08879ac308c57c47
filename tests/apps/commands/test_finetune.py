"""`soundstage finetune`: trains on a folder of audio and writes a pipeline to play."""

import subprocess
import sys

import numpy as np
import pytest
import soundfile
from command_line import run, told
from safetensors.numpy import load_file

from soundstage.apps.commands.finetune import finetune
from soundstage.graph.spec import parse, parse_toml
from soundstage.runners.api import read_spec
from soundstage.training.depthformer.validation import read_validations
from soundstage.training.pipeline_file import pipeline_text

RATE_HZ = 48_000


def write_sound(path, pitch_hz, seconds=2.6):
    time = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    left = 0.3 * np.sin(2 * np.pi * pitch_hz * time) * np.sign(np.sin(2 * np.pi * 4 * time))
    soundfile.write(path, np.stack([left, left], axis=1), RATE_HZ)


@pytest.mark.slow
def test_finetuned_pipeline_is_played_by_generate(tmp_path):
    music, output = tmp_path / "music", tmp_path / "mine"
    music.mkdir()
    write_sound(music / "one.wav", 220)
    write_sound(music / "two.wav", 330)
    (music / "one.txt").write_text("square beeps", "utf-8")
    command = ("finetune", "--preset", "tiny", "--data", music, "--output", output)
    options = ("--steps", 4, "--check-every", 2, "--rows", 1, "--rate", 1e-3, "--quiet")
    done = run(*command, *options)
    assert done.code == 0, done.stderr
    checks = read_validations(output / "run" / "validation.csv")
    assert [check.step for check in checks] == [0, 2, 4]
    assert checks[-1].metrics["loss"] < checks[0].metrics["loss"]

    before = load_file(output / "depthformer.safetensors")
    again = run(*command, *options)
    assert again.code == 0, again.stderr
    for name, array in load_file(output / "depthformer.safetensors").items():
        np.testing.assert_array_equal(array, before[name])
    other = run(*command, *options, "--seed", 1)
    assert other.code == 6
    assert "was started with seed 0" in told(other.stderr)

    assert read_spec(output / "pipeline.toml").note == "fine-tuned from tiny"
    song = tmp_path / "song.wav"
    played = run("generate", "x", "--pipeline", output / "pipeline.toml", "--output", song, "-q")
    assert played.code == 0, played.stderr
    assert soundfile.info(song).frames == 10 * RATE_HZ


def test_unknown_preset_is_refused(tmp_path):
    done = run("finetune", "--preset", "bass", "--data", tmp_path, "--output", tmp_path / "out")
    assert done.code == 4
    assert "no preset named 'bass'" in told(done.stderr)


def test_pipeline_without_a_network_to_train_is_refused(tmp_path):
    done = run("finetune", "--preset", "toy", "--data", tmp_path, "--output", tmp_path / "out")
    assert done.code == 4
    assert "training needs one" in told(done.stderr)


def test_folder_without_audio_is_refused_and_no_file_is_made(tmp_path):
    out = tmp_path / "out"
    done = run("finetune", "--preset", "tiny", "--data", tmp_path, "--output", out)
    assert done.code == 3
    assert "holds no audio file" in told(done.stderr)
    assert not out.exists()


def test_held_out_share_above_1_is_refused(tmp_path):
    options = ("--data", tmp_path, "--output", tmp_path / "out", "--held-out", "1.5")
    done = run("finetune", "--preset", "tiny", *options)
    assert done.code == 3
    assert "held-out share must be in [0, 1), got 1.5" in told(done.stderr)


def test_missing_training_library_is_named_with_its_cure(tmp_path):
    script = (
        "import sys; sys.modules['optax'] = None\n"
        "from soundstage.apps.commands.main import main\n"
        f"main(['finetune', '--preset', 'tiny', '--data', {str(tmp_path)!r}, '--output', 'x'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 2
    assert "pip install '.[train]'" in told(done.stderr)


def test_help_of_finetune_is_printed():
    done = run("finetune", "--help")
    assert done.code == 0
    assert finetune.__doc__.splitlines()[0] in done.stdout
    assert "early" not in done.stderr


@pytest.mark.parametrize("preset", ["tiny", "toy"])
def test_written_pipeline_reads_back_equal(preset):
    spec = read_spec(preset)
    text = pipeline_text(spec, "a comment\nin two lines")
    assert parse(parse_toml(text, "written")) == spec
    assert text.startswith("# a comment in two lines\n")


def test_any_text_survives_a_pipeline_file():
    tables = read_spec("tiny").as_dict()
    tables["note"] = 'quote " and \\ and \n and \x7f and 🎹'
    tables["stage"]["sample"]["params"] = {"weights": "C:\\models\\a b.safetensors", "size": "tiny"}
    tables["inputs"]["texts"] = []
    spec = parse(tables)
    assert parse(parse_toml(pipeline_text(spec, ""), "written")) == spec
