"""Provenance: records in the tags of every format, with any prompts."""

import dataclasses
import hashlib
import json

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from soundstage.audio.provenance import (
    NOISE,
    AudioPrompt,
    Provenance,
    StageWeights,
    TextPrompt,
    from_comment,
)
from soundstage.audio.reader import open_audio
from soundstage.audio.writer import open_writer

FORMATS = ["wav", "flac", "ogg", "mp3"]
RECORD = Provenance(
    version="0.1.0",
    pipeline="tiny",
    graph_hash="ab" * 32,
    prompts=(
        TextPrompt("warm ambient pads"),
        TextPrompt("jazz trio", 0.5),
        AudioPrompt("ref.wav", "cd" * 32, 2.0),
    ),
    seeds=(7, 2**63 - 1),
    controls={"temperature": 1.1, "top_k": 40, "guidance": 5.0},
    weights={"sample": StageWeights("ef" * 32, "random weights, seed 0")},
    chunks=5,
    random_weights=True,
)


def with_prompt(text: str) -> Provenance:
    return dataclasses.replace(RECORD, prompts=(TextPrompt(text, 0.25),))


def written_and_read(folder, suffix: str, record: Provenance) -> Provenance | None:
    path = folder / f"a.{suffix}"
    with open_writer(path, 48_000, 1, record) as writer:
        writer.write(np.full((4_800, 1), 0.1, np.float32))
    with open_audio(path) as source:
        assert sum(map(len, source.blocks())) == 4_800
        return from_comment(source.comment)


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize(
    "text",
    [
        "",
        "line one\nline two\r\n\ttabbed \0 null \x1b[31m",
        "Füße, 音楽, موسيقى, \U0001f3b9\U0001f468\u200d\U0001f3a4",
        '"quoted", {braced}, \\escaped, <tagged>, $dollar$',
        "a" * 10_000,
        "\U0001f3b9" * 10_000,
    ],
    ids=["empty", "control", "unicode", "syntax", "10 000 letters", "10 000 emoji"],
)
def test_every_format_stores_every_prompt(tmp_path, suffix, text):
    record = with_prompt(text)
    assert written_and_read(tmp_path, suffix, record) == record


@pytest.mark.parametrize("suffix", FORMATS)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=200), weight=st.floats(0, 100), seed=st.integers(0, 2**63 - 1))
def test_every_format_stores_any_record(tmp_path, suffix, text, weight, seed):
    record = dataclasses.replace(RECORD, prompts=(TextPrompt(text, weight),), seeds=(seed,))
    assert written_and_read(tmp_path, suffix, record) == record


@pytest.mark.parametrize("suffix", FORMATS)
def test_title_and_software_are_in_the_tags(tmp_path, suffix):
    written_and_read(tmp_path, suffix, with_prompt("Füße \U0001f3b9"))
    with soundfile.SoundFile(tmp_path / f"a.{suffix}") as stream:
        assert stream.title == f"Füße \U0001f3b9 (0.25) [{NOISE}]"
        assert stream.software.startswith("soundstage 0.1.0")


@given(text=st.text(alphabet=st.characters(), max_size=400))
def test_title_is_one_short_printable_line(text):
    title = with_prompt(text).title
    assert title.isprintable()
    assert len(title) <= 200
    assert NOISE in title


def test_only_a_record_of_random_weights_is_called_noise():
    music = dataclasses.replace(RECORD, random_weights=False)
    assert music.title == "warm ambient pads + jazz trio (0.5) + ref.wav (2)"
    assert NOISE not in "\n".join(music.lines())
    assert NOISE in "\n".join(RECORD.lines())


def test_record_is_one_line_of_ascii():
    text = with_prompt("ü\n\U0001f3b9").to_json()
    assert text.isascii()
    assert text.isprintable()


def test_name_of_a_control_and_its_value_are_apart():
    record = dataclasses.replace(RECORD, controls={"top_k": 40, "style_strength": 3.0})
    assert {"top_k       40", "style_strength 3"} <= set(record.lines())


def test_audio_prompt_is_named_without_its_folder(tmp_path):
    path = tmp_path / "ref.wav"
    path.write_bytes(b"sound")
    prompt = AudioPrompt.of(path, 0.5)
    assert prompt == AudioPrompt("ref.wav", hashlib.sha256(b"sound").hexdigest(), 0.5)
    assert str(tmp_path) not in dataclasses.replace(RECORD, prompts=(prompt,)).to_json()
    with pytest.raises(ValueError, match="without its folder"):
        AudioPrompt(str(path), "")


@pytest.mark.parametrize("comment", ["", "Ripped by hand", "{", "[1, 2]", '{"a": 1}', "7"])
def test_comment_that_is_not_a_record_is_ignored(comment):
    assert from_comment(comment) is None


@pytest.mark.parametrize("change", [{"soundstage": 2}, {"seeds": "seven"}, {"prompts": [{}]}])
def test_damaged_or_newer_record_raises_value_error(change):
    with pytest.raises(ValueError, match=r"schema|seeds|prompts"):
        from_comment(json.dumps({**json.loads(RECORD.to_json()), **change}))
