"""MusicCoCa in pipelines: files as prompts, whole pipelines, and missing files."""

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
    """Writes the toy preset with MusicCoCa as its style model, in the tiny model's format."""
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
def test_embedding_of_an_audio_file_equals_the_reference(tmp_path, name):
    expected, format = recorded(REFERENCE), Format()
    rate_hz = {"audio16k": 16_000, "audio48k": 48_000}[name]
    soundfile.write(tmp_path / "prompt.wav", expected[f"{name}_int16"], rate_hz)
    controls = expand_prompts([Audio(tmp_path / "prompt.wav")], soundstage.load("base"))
    weights = [np.array(controls["clip_weights"], np.float32)]
    embed = build(Embed, REFERENCE, format)
    embedding = embed([[]], [NONE], [controls["clips"]], weights)["embedding"]
    target = expected[f"{name}_embedding"]
    np.testing.assert_allclose(embedding[0], target, rtol=0, atol=1e-5)
    quantize = build(Quantize, REFERENCE, format)
    np.testing.assert_array_equal(tokens_of(quantize, embedding), tokens_of(quantize, target[None]))


def test_audio_prompt_of_several_clips_weighs_as_much_as_a_text(tmp_path):
    graph = soundstage.load(pipeline=pipeline(tmp_path / "coca.toml"))
    rate_hz, clips = graph.format.clip_rate_hz, recorded()["clips"]
    sound = np.concatenate(clips)[: -rate_hz // 10]  # the last clip is padded
    soundfile.write(tmp_path / "prompt.wav", sound, rate_hz, subtype="FLOAT")
    controls = expand_prompts(["warm pads", Audio(tmp_path / "prompt.wav")], graph)
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


def test_generate_with_musiccoca_repeats_and_records_its_weights(tmp_path):
    path = pipeline(tmp_path / "coca.toml")
    arguments = ("--pipeline", path, "warm pads", "--duration", 4, "--seed", 3, "--output")
    for name in ("one.wav", "two.wav"):
        done = run("generate", *arguments, tmp_path / name)
        assert done.code == 0, done.stderr
    assert (tmp_path / "one.wav").read_bytes() == (tmp_path / "two.wav").read_bytes()
    weights = inspect(tmp_path / "one.wav").provenance.weights
    for name, stage in (("embed", build(Embed)), ("quantize", build(Quantize))):
        assert (weights[name].note, weights[name].digest) == (
            stage.weights_note,
            stage.weights_digest,
        )


def test_row_in_a_batch_gives_the_same_audio_as_alone(tmp_path):
    path = pipeline(tmp_path / "coca.toml")
    prompts = [["warm pads"], ["hard kick"], ["warm pads"]]
    rows = [{"prompts": prompt, "seed": 5} for prompt in prompts]
    with soundstage.open(pipeline=path, rows=rows) as session:
        together = next(session)
    with soundstage.open(pipeline=path, prompts=prompts[1], seed=5) as session:
        alone = next(session)
    np.testing.assert_array_equal(together.audio[1], alone.audio[0])
    np.testing.assert_array_equal(together.audio[0], together.audio[2])


def test_missing_file_of_weights_has_its_own_exit_code(tmp_path):
    folder = copied(tmp_path / "coca")
    (folder / "text_encoder.tflite").unlink()
    path = pipeline(tmp_path / "coca.toml", folder)
    done = run("generate", "--pipeline", path, "x", "--duration", 2, "-o", tmp_path / "x.wav")
    assert done.code == 5
    assert f"{folder}: lacks MusicCoCa's text_encoder.tflite" in told(done.stderr)
