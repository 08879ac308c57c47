"""Files of a model are used as they are, or refused in one line that says what to do."""

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


def test_the_digest_is_over_every_file_that_is_read_and_the_note_names_them(tmp_path):
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
def test_the_digest_tells_any_change_of_a_file(tmp_path, name):
    folder = copied(tmp_path / "coca")
    before = build_reader_of(name, folder).weights_digest
    path = folder / name
    # Bytes behind the end of a graph, and a field that a vocabulary's readers skip.
    path.write_bytes(path.read_bytes() + bytes([0xFA, 0x7F, 0x01, 0x00]))
    assert build_reader_of(name, folder).weights_digest != before


def test_the_files_may_go_once_a_stage_is_built(tmp_path):
    folder = copied(tmp_path / "coca")
    embed = build(Embed, folder)
    shutil.rmtree(folder)
    wanted = recorded()["text_embeddings"][:1]
    np.testing.assert_allclose(embed_texts(embed, ["warm pads"]), wanted, rtol=0, atol=1e-5)


def test_a_bare_name_is_a_folder_of_the_models_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("platformdirs.user_data_path", lambda name: tmp_path / name)
    with pytest.raises(WeightsError, match=r"models.coca: no such folder.*models download"):
        build(Embed, "coca")
    copied(tmp_path / "soundstage" / "models" / "coca")
    assert build(Embed, "coca").weights_digest == build(Embed).weights_digest


# ---- what is wrong with them


@each_file
def test_a_missing_file_is_named(tmp_path, name):
    folder = copied(tmp_path / "coca")
    (folder / name).unlink()
    assert "lacks" in refusal_of(name, folder)


def test_without_the_mapper_its_file_is_not_needed(tmp_path):
    folder = copied(tmp_path / "coca")
    (folder / MAPPER).unlink()
    assert MAPPER not in build(Embed, folder).weights_note


@each_file
def test_an_empty_file_is_named(tmp_path, name):
    folder = copied(tmp_path / "coca")
    (folder / name).write_bytes(b"")
    assert "is empty" in refusal_of(name, folder)


@each_file
@pytest.mark.parametrize("kept", [0.02, 0.5, 0.98])
def test_a_truncated_file_is_named(tmp_path, name, kept):
    folder = copied(tmp_path / "coca")
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: int(kept * len(content))])
    assert "fetch it again" in refusal_of(name, folder)


@each_file
@pytest.mark.parametrize("content", [b"<!DOCTYPE html><html>404</html>", bytes(5000)])
def test_what_is_another_kind_of_file_is_named(tmp_path, name, content):
    folder = copied(tmp_path / "coca")
    (folder / name).write_bytes(content)
    assert "fetch it again" in refusal_of(name, folder)


@pytest.mark.parametrize(("name", "other"), list(permutations(GRAPHS, 2)))
def test_a_graph_in_the_place_of_another_is_named(tmp_path, name, other):
    folder = copied(tmp_path / "coca")
    shutil.copyfile(TINY / other, folder / name)
    assert "takes" in refusal_of(name, folder)


@pytest.mark.parametrize("name", [MUSIC_ENCODER, MAPPER])
def test_a_graph_whose_weights_are_damaged_to_nan_is_named(tmp_path, name):
    folder = copied(tmp_path / "coca")
    content = bytearray((folder / name).read_bytes())
    middle = len(content) // 2  # weights are most of a file
    content[middle : middle + 256] = b"\xff" * 256
    (folder / name).write_bytes(content)
    assert "gives NaN or infinity" in refusal_of(name, folder)


def test_a_vocabulary_that_the_text_encoder_does_not_know_is_told_when_it_shows(tmp_path):
    folder = copied(tmp_path / "coca")
    texts = [f"{first}{second}mp" for first in "bcdfghjkl" for second in "aeiouy"]
    (folder / VOCABULARY).write_bytes(learn_vocabulary(texts, 400))
    embed = build(Embed, folder)
    with pytest.raises(WeightsError, match=f"{TEXT_ENCODER}: breaks off .* again$"):
        embed_texts(embed, texts)


@pytest.mark.parametrize(
    ("weights", "reason"),
    [
        ("random:0", "MusicCoCa has no such weights"),
        ("package:demo", "MusicCoCa has no such weights"),
        ("./nowhere", "nowhere: no such folder"),
        (str(TINY / MAPPER), "no folder, but a file"),
        (str(TINY.parent), "lacks MusicCoCa's"),
    ],
)
@pytest.mark.parametrize("stage", [Embed, Quantize])
def test_what_is_no_folder_of_the_files_is_refused(stage, weights, reason):
    with pytest.raises(WeightsError, match=reason):
        build(stage, weights)


# ---- what is wrong around them


@pytest.mark.parametrize("stage", [Embed, Quantize])
def test_without_litert_the_cure_is_one_command(monkeypatch, stage):
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    with pytest.raises(WeightsError, match=r"pip install 'soundstage\[musiccoca\]'$"):
        build(stage)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"clip_rate_hz": 8000}, "listens at 16000 Hz"),
        ({"clip_s": 10.0}, f"{AUDIO_PREPROCESSOR}: takes 8000 float32 where .* need 160000"),
        ({"style_dim": 768}, f"{TEXT_ENCODER}: gives 32 numbers, .* style_dim = 768"),
    ],
)
def test_a_music_format_that_is_not_theirs_is_refused(changes, reason):
    with pytest.raises(WeightsError, match=reason):
        build(Embed, format=replace(TINY_FORMAT, **changes))


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_that_the_mapper_cannot_draw_from_is_refused(seed):
    with pytest.raises(ValueError, match="mapper_seed"):
        Embed.Params("coca", mapper_seed=seed)


def test_the_default_format_is_the_published_one():
    assert Format().dims["clip_sample"] == 160_000
    assert (Format().style_dim, Format().style_levels) == (768, 12)
