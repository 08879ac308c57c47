"""Descriptions of pieces."""

import re

import pytest

from soundstage.training.corpus import words
from soundstage.training.corpus.genres import GENRES
from soundstage.training.corpus.instruments import INSTRUMENTS
from soundstage.training.corpus.plan import plan_piece
from soundstage.training.corpus.texts import describe, instrument_words
from soundstage.training.corpus.words import HELDOUT_TEMPLATES, TRAIN_TEMPLATES, Words

TABLES = [table for table in vars(words).values() if isinstance(table, dict)]
WORDS = [w for table in TABLES for w in table.values() if isinstance(w, Words)]
WORDS += [instrument_words(name) for name in INSTRUMENTS]


def tokens(text):
    return set(re.findall(r"[a-z&'-]+", re.sub(r"\{\w+\}", "", text).lower()))


def described(count=96):
    for split in ("train", "heldout"):
        for index in range(count):
            brief = plan_piece(0, index, split)
            yield brief, describe(brief, ("piano", "upright bass", "drums"))


def test_no_phrase_is_both_trained_and_held_out():
    train = {phrase for w in WORDS for phrase in w.train}
    heldout = {phrase for w in WORDS for phrase in w.heldout}
    assert not train & heldout


def test_held_out_templates_have_words_of_no_training_text():
    known = set()
    for text in (*TRAIN_TEMPLATES, *(phrase for w in WORDS for phrase in w.train)):
        known |= tokens(text)
    for template in HELDOUT_TEMPLATES:
        assert tokens(template) - known, template


def test_no_text_of_any_piece_is_both_trained_and_held_out():
    train, heldout = set(), set()
    for _, (texts, heldout_texts) in described():
        train |= set(texts)
        heldout |= set(heldout_texts)
    assert not train & heldout


def test_every_piece_has_several_different_texts():
    for _, (texts, heldout_texts) in described(32):
        assert len(texts) == len(set(texts)) >= 6
        assert len(heldout_texts) == len(set(heldout_texts)) >= 3


def test_texts_name_the_genre_and_the_right_tempo():
    for brief, (texts, heldout_texts) in described(64):
        names = words.GENRE_WORDS[brief.genre].train
        assert any(text in names for text in texts), "the bare genre is what people type"
        for text in (*texts, *heldout_texts):
            tempo = re.search(r"(\d+) (?:bpm|BPM|beats)", text)
            assert tempo is None or int(tempo[1]) == brief.tempo_bpm
            assert "{" not in text


def test_same_piece_is_always_described_alike():
    brief = plan_piece(0, 5, "train")
    assert describe(brief, ("piano",)) == describe(brief, ("piano",))


@pytest.mark.parametrize("genre", GENRES)
def test_every_genre_and_mode_has_words(genre):
    assert len(words.GENRE_WORDS[genre].train) >= 3
    assert words.MODE_WORDS.keys() >= GENRES[genre].progressions.keys()


def test_no_text_misplaces_an_article_or_repeats_an_instrument():
    for _, texts in described():
        for text in (*texts[0], *texts[1]):
            start = text.split(" with ")[0].split(": ")[-1].split(", ")[-1]
            assert not re.search(r"^(?!let|please|make|something)\w+ an? ", start), text
            twice = re.fullmatch(r"(.+) and (.+), .+|.* with (.+) and (.+)", text)
            assert twice is None or len(set(twice.groups()) - {None}) == 2, text


def test_texts_of_solo_piano_mention_the_piano_once():
    brief = next(b for b, _ in described() if b.genre == "classical_piano")
    texts, heldout_texts = describe(brief, ("piano",))
    assert all(len(re.findall("piano", text)) <= 1 for text in texts)
    assert len(texts) >= 6
    assert len(heldout_texts) >= 3


def test_held_out_texts_use_held_out_templates_only():
    def shape(template):
        return re.sub(r"\\\{\w+\\\}", ".+", re.escape(template))

    shapes = [shape(template) for template in HELDOUT_TEMPLATES]
    for _, (_, heldout_texts) in described(32):
        for text in heldout_texts:
            assert any(re.fullmatch(pattern, text) for pattern in shapes), text
