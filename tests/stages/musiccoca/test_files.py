"""MusicCoCa's files: the digest, and damaged or unfit files refused in one line."""

import hashlib
import shutil
import sys
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from musiccoca_models import TINY, TINY_FORMAT, build, copied, embed_texts, recorded

from soundstage.graph.format import Format
from soundstage.stages.musiccoca import Embed, Quantize
from soundstage.stages.musiccoca.files import (
    AUDIO_PREPROCESSOR,
    MAPPER,
    MUSIC_ENCODER,
    QUANTIZER,
    TEXT_ENCODER,
    VOCABULARY,
)
from soundstage.stages.weights.array_source import WeightsError
from soundstage.training.style.vocabulary import learn_vocabulary

pytest.importorskip("ai_edge_litert")
EMBED_FILES = (VOCABULARY, TEXT_ENCODER, AUDIO_PREPROCESSOR, MUSIC_ENCODER, MAPPER)
GRAPHS = (TEXT_ENCODER, AUDIO_PREPROCESSOR, MUSIC_ENCODER, MAPPER, QUANTIZER)
each_file = pytest.mark.parametrize("name", [*EMBED_FILES, QUANTIZER])


def build_reader_of(name, folder, format=TINY_FORMAT):
    """Builds the stage that reads a file."""
    if name == QUANTIZER:
        return build(Quantize, folder, format)
    return build(Embed, folder, format, mapper=True)


def refusal_of(name, folder) -> str:
    with pytest.raises(WeightsError) as refused:
        build_reader_of(name, folder)
    message = str(refused.value)
    assert "\n" not in message
    assert name in message
    return message


# ---- which files


def test_digest_and_note_cover_every_file_that_is_read(tmp_path):
    folder = copied(tmp_path / "coca")
    plain, mapped = build(Embed, folder), build(Embed, folder, mapper=True)
    assert plain.weights_note == f"coca: {', '.join(sorted(EMBED_FILES[:-1]))}"
    assert mapped.weights_note == f"coca: {', '.join(sorted(EMBED_FILES))}"
    assert build(Quantize, folder).weights_note == f"coca: {QUANTIZER}"
    digest = hashlib.sha256()
    for name in sorted(EMBED_FILES):
        digest.update(name.encode() + hashlib.sha256((TINY / name).read_bytes()).digest())
    assert mapped.weights_digest == digest.hexdigest()
    assert plain.weights_digest != mapped.weights_digest


@each_file
def test_changed_file_changes_the_digest(tmp_path, name):
    folder = copied(tmp_path / "coca")
    before = build_reader_of(name, folder).weights_digest
    path = folder / name
    # A graph ignores bytes behind its end; readers of a vocabulary skip this field.
    path.write_bytes(path.read_bytes() + bytes([0xFA, 0x7F, 0x01, 0x00]))
    assert build_reader_of(name, folder).weights_digest != before


def test_built_stage_does_not_need_its_files(tmp_path):
    folder = copied(tmp_path / "coca")
    embed = build(Embed, folder)
    shutil.rmtree(folder)
    expected = recorded()["text_embeddings"][:1]
    np.testing.assert_allclose(embed_texts(embed, ["warm pads"]), expected, rtol=0, atol=1e-5)


def test_bare_name_is_a_folder_in_the_models_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("platformdirs.user_data_path", lambda name: tmp_path / name)
    with pytest.raises(WeightsError, match=r"models.coca: no such folder.*models download"):
        build(Embed, "coca")
    copied(tmp_path / "soundstage" / "models" / "coca")
    assert build(Embed, "coca").weights_digest == build(Embed).weights_digest


# ---- damaged and unfit files


@each_file
def test_missing_file_is_named(tmp_path, name):
    folder = copied(tmp_path / "coca")
    (folder / name).unlink()
    assert "lacks" in refusal_of(name, folder)


def test_mapper_file_is_not_needed_without_the_mapper(tmp_path):
    folder = copied(tmp_path / "coca")
    (folder / MAPPER).unlink()
    assert MAPPER not in build(Embed, folder).weights_note


@each_file
def test_empty_file_is_named(tmp_path, name):
    folder = copied(tmp_path / "coca")
    (folder / name).write_bytes(b"")
    assert "is empty" in refusal_of(name, folder)


@each_file
@pytest.mark.parametrize("kept", [0.02, 0.5, 0.98])
def test_truncated_file_is_named(tmp_path, name, kept):
    folder = copied(tmp_path / "coca")
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: int(kept * len(content))])
    assert "fetch it again" in refusal_of(name, folder)


@each_file
@pytest.mark.parametrize("content", [b"<!DOCTYPE html><html>404</html>", bytes(5000)])
def test_file_of_another_kind_is_named(tmp_path, name, content):
    folder = copied(tmp_path / "coca")
    (folder / name).write_bytes(content)
    assert "fetch it again" in refusal_of(name, folder)


@pytest.mark.parametrize(("name", "other"), list(permutations(GRAPHS, 2)))
def test_graph_under_the_name_of_another_is_named(tmp_path, name, other):
    folder = copied(tmp_path / "coca")
    shutil.copyfile(TINY / other, folder / name)
    assert "takes" in refusal_of(name, folder)


@pytest.mark.parametrize("name", [MUSIC_ENCODER, MAPPER])
def test_graph_with_weights_damaged_to_nan_is_named(tmp_path, name):
    folder = copied(tmp_path / "coca")
    content = bytearray((folder / name).read_bytes())
    middle = len(content) // 2  # weights are most of a file
    content[middle : middle + 256] = b"\xff" * 256
    (folder / name).write_bytes(content)
    assert "returns NaN or infinity" in refusal_of(name, folder)


def test_vocabulary_of_another_text_encoder_fails_when_called(tmp_path):
    folder = copied(tmp_path / "coca")
    texts = [f"{first}{second}mp" for first in "bcdfghjkl" for second in "aeiouy"]
    (folder / VOCABULARY).write_bytes(learn_vocabulary(texts, 400))
    embed = build(Embed, folder)
    with pytest.raises(WeightsError, match=f"{TEXT_ENCODER}: failed while running .* again$"):
        embed_texts(embed, texts)


@pytest.mark.parametrize(
    ("weights", "reason"),
    [
        ("random:0", "MusicCoCa has no such weights"),
        ("package:demo", "MusicCoCa has no such weights"),
        ("./nowhere", "nowhere: no such folder"),
        (str(TINY / MAPPER), "is a file, not a folder"),
        (str(TINY.parent), "lacks MusicCoCa's"),
    ],
)
@pytest.mark.parametrize("stage", [Embed, Quantize])
def test_weights_that_are_not_such_a_folder_are_refused(stage, weights, reason):
    with pytest.raises(WeightsError, match=reason):
        build(stage, weights)


# ---- an unfit environment


@pytest.mark.parametrize("stage", [Embed, Quantize])
def test_missing_litert_is_reported_with_the_pip_command(monkeypatch, stage):
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    with pytest.raises(WeightsError, match=r"pip install '\.\[published\]'$"):
        build(stage)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"clip_rate_hz": 8000}, "MusicCoCa needs 16000 Hz"),
        ({"clip_s": 10.0}, f"{AUDIO_PREPROCESSOR}: takes 8000 float32 where .* need 160000"),
        ({"style_dim": 768}, f"{TEXT_ENCODER}: returns 32 numbers, .* style_dim = 768"),
    ],
)
def test_music_format_that_the_files_do_not_fit_is_refused(changes, reason):
    with pytest.raises(WeightsError, match=reason):
        build(Embed, format=replace(TINY_FORMAT, **changes))


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_mapper_seed_out_of_range_is_refused(seed):
    with pytest.raises(ValueError, match="mapper_seed"):
        Embed.Params("coca", mapper_seed=seed)


def test_default_format_is_the_published_one():
    assert Format().dims["clip_sample"] == 160_000
    assert (Format().style_dim, Format().style_levels) == (768, 12)
