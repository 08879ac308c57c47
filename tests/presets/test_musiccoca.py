"""MusicCoCa from the outside: files as prompts, whole pipelines, and what is told without it."""

import re
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import soundfile
from command_line import run, told
from musiccoca_models import (
    ABSENT,
    NONE,
    REFERENCE,
    TINY,
    TINY_FORMAT,
    build,
    copied,
    embed_rows,
    recorded,
    tokens_of,
)

import soundstage
from soundstage.audio.inspection import inspect
from soundstage.graph.format import Format
from soundstage.runners.sessions.prompts import Audio, expand_prompts
from soundstage.stages.musiccoca import Embed, Quantize

pytest.importorskip("ai_edge_litert")


def pipeline(path: Path, weights: Path | str = TINY) -> Path:
    """The toy preset with MusicCoCa in it, in the tiny model's format."""
    text = files("soundstage.presets").joinpath("toy.toml").read_text("utf-8")
    for size in ("style_dim", "clip_s"):
        text = re.sub(rf"{size} += \S+", f"{size} = {getattr(TINY_FORMAT, size)}", text)
    for name, stage in (("embed", "Embed"), ("quantize", "Quantize")):
        settings = f'use = "stages.musiccoca:{stage}"\nparams = {{ weights = "{weights}" }}'
        text = re.sub(rf"(\[stage.{name}\]\n)use.*\nparams.*", rf"\g<1>{settings}", text)
    path.write_text(text, "utf-8")
    return path


@pytest.mark.skipif(not REFERENCE.is_dir(), reason=ABSENT)
@pytest.mark.parametrize("name", ["audio16k", "audio48k"])
def test_an_audio_file_becomes_the_embedding_that_the_reference_makes_of_it(tmp_path, name):
    expected, format = recorded(REFERENCE), Format()
    rate_hz = {"audio16k": 16_000, "audio48k": 48_000}[name]
    soundfile.write(tmp_path / "prompt.wav", expected[f"{name}_int16"], rate_hz)
    controls = expand_prompts([Audio(tmp_path / "prompt.wav")], format)
    weights = [np.array(controls["clip_weights"], np.float32)]
    embed = build(Embed, REFERENCE, format)
    found = embed([[]], [NONE], [controls["clips"]], weights)["embedding"]
    wanted = expected[f"{name}_embedding"]
    np.testing.assert_allclose(found[0], wanted, rtol=0, atol=1e-5)
    quantize = build(Quantize, REFERENCE, format)
    np.testing.assert_array_equal(tokens_of(quantize, found), tokens_of(quantize, wanted[None]))


def test_an_audio_prompt_weighs_as_much_as_a_text_however_many_clips_it_has(tmp_path):
    rate_hz, clips = TINY_FORMAT.clip_rate_hz, recorded()["clips"]
    sound = np.concatenate(clips)[: -rate_hz // 10]  # the last clip is filled up
    soundfile.write(tmp_path / "prompt.wav", sound, rate_hz, subtype="FLOAT")
    controls = expand_prompts(["warm pads", Audio(tmp_path / "prompt.wav")], TINY_FORMAT)
    values = [
        [controls["texts"]],
        [np.array(controls["text_weights"], np.float32)],
        [controls["clips"]],
        [np.array(controls["clip_weights"], np.float32)],
    ]
    embed = build(Embed)
    last = np.pad(sound[2 * clips.shape[1] :], (0, len(clips[0]) * 3 - len(sound)))
    parts = embed_rows(embed, [(["warm pads"], []), ([], [*clips[:2], last])])
    np.testing.assert_allclose(embed(*values)["embedding"][0], parts.mean(axis=0), atol=1e-6)


def test_a_pipeline_plays_with_it_and_says_which_files_made_the_music(tmp_path):
    path = pipeline(tmp_path / "coca.toml")
    asked = ("--pipeline", path, "warm pads", "--duration", 4, "--seed", 3, "--output")
    for name in ("one.wav", "two.wav"):
        done = run("generate", *asked, tmp_path / name)
        assert done.code == 0, done.stderr
    assert (tmp_path / "one.wav").read_bytes() == (tmp_path / "two.wav").read_bytes()
    weights = inspect(tmp_path / "one.wav").provenance.weights
    for name, stage in (("embed", build(Embed)), ("quantize", build(Quantize))):
        assert (weights[name].note, weights[name].digest) == (
            stage.weights_note,
            stage.weights_digest,
        )


def test_prompts_change_the_style_and_rows_play_as_they_do_alone(tmp_path):
    path = pipeline(tmp_path / "coca.toml")
    prompts = [["warm pads"], ["hard kick"], ["warm pads"]]
    rows = [{"prompts": prompt, "seed": 5} for prompt in prompts]
    with soundstage.open(pipeline=path, rows=rows) as session:
        together = next(session)
    with soundstage.open(pipeline=path, prompts=prompts[1], seed=5) as session:
        alone = next(session)
    np.testing.assert_array_equal(together.audio[1], alone.audio[0])
    np.testing.assert_array_equal(together.audio[0], together.audio[2])


def test_a_missing_file_is_told_in_one_line_with_its_own_exit_code(tmp_path):
    folder = copied(tmp_path / "coca")
    (folder / "text_encoder.tflite").unlink()
    path = pipeline(tmp_path / "coca.toml", folder)
    done = run("generate", "--pipeline", path, "x", "--duration", 2, "-o", tmp_path / "x.wav")
    assert done.code == 5
    assert f"{folder}: lacks MusicCoCa's text_encoder.tflite" in told(done.stderr)
