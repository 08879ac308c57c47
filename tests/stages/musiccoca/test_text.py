"""Texts as ids: lower case, the start id, subwords and padding."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from musiccoca_models import TINY

from soundstage.stages.musiccoca.text import (
    PAD,
    START,
    TEXT_IDS,
    load_vocabulary,
    normal_text,
    text_ids,
)
from soundstage.stages.weights.array_source import WeightsError

MODEL = (TINY / "spm.model").read_bytes()
VOCABULARY = load_vocabulary("spm.model", MODEL)


@given(st.text(max_size=400))
def test_ids_are_the_start_then_subwords_then_padding(text):
    ids, paddings = text_ids(normal_text(text), VOCABULARY)
    pieces = VOCABULARY.pieces(text.lower())
    used = min(1 + len(pieces), TEXT_IDS)
    assert (ids.shape, ids.dtype) == ((TEXT_IDS,), np.int32)
    assert (paddings.shape, paddings.dtype) == ((TEXT_IDS,), np.float32)
    assert ids[0] == START
    assert ids[1:used].tolist() == pieces[: used - 1]
    assert np.all(ids[used:] == PAD)
    assert np.all(paddings[:used] == 0.0)
    assert np.all(paddings[used:] == 1.0)


def test_empty_text_is_the_start_id_alone():
    ids, paddings = text_ids("", VOCABULARY)
    assert ids.tolist() == [START] + [PAD] * (TEXT_IDS - 1)
    assert paddings.tolist() == [0.0] + [1.0] * (TEXT_IDS - 1)


@pytest.mark.parametrize("letters", [TEXT_IDS - 3, TEXT_IDS - 2, TEXT_IDS - 1, TEXT_IDS, 1000])
def test_long_text_fills_every_position_and_no_more(letters):
    text = "q" * letters  # no subword has several of them
    pieces = VOCABULARY.pieces(text)
    _, paddings = text_ids(text, VOCABULARY)
    assert int((paddings == 0.0).sum()) == min(TEXT_IDS, 1 + len(pieces))


@pytest.mark.parametrize(
    ("text", "normal"), [("JAZZ Été", "jazz été"), ("  a  B ", "  a  b "), ("x\ud800", "x?")]
)
def test_only_letter_case_and_lone_surrogates_are_changed(text, normal):
    assert normal_text(text) == normal


@pytest.mark.parametrize("model", [b"", b"not a model", MODEL[:-1], MODEL[: len(MODEL) // 2]])
def test_broken_vocabulary_is_refused_in_one_line(model):
    with pytest.raises(WeightsError, match=r"^spm\.model: .*; fetch it again$"):
        load_vocabulary("spm.model", model)
