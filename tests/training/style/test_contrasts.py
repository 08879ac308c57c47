"""Pairs of texts that contradict each other in one fact, and the loss that tells them apart."""

import math

import jax.numpy as jnp
import numpy as np
import pytest
from style_pieces import piece

from soundstage.training.corpus import words
from soundstage.training.corpus.genres import GENRES
from soundstage.training.style.contrasts import (
    FACTS,
    WITH_DRUMS,
    WITHOUT_DRUMS,
    contrast,
    facts_with_opposite,
    has_drums,
)
from soundstage.training.style.embedder import Embedded
from soundstage.training.style.evaluation import truths
from soundstage.training.style.loss import contradiction

RANDOM = np.random.default_rng(0)
BRIGHT, DARK = (words.BRIGHT_WORDS[name].train for name in ("bright", "dark"))
FAST = words.TEMPO_WORDS["fast"].train
SLOW = (*words.TEMPO_WORDS["slow"].train, *words.TEMPO_WORDS["very slow"].train)
SPARSE, DENSE = (words.DENSITY_WORDS[name].train for name in ("sparse", "dense"))


def pairs(one, fact):
    return [contrast(RANDOM, one, fact) for _ in range(40)]


def has_any(text, phrases):
    return any(phrase in text for phrase in phrases)


def without(text, phrases):
    """A text with a star in place of the longest of some phrases."""
    longest = max((phrase for phrase in phrases if phrase in text), key=len)
    return text.replace(longest, "*")


@pytest.mark.parametrize(
    ("changes", "fact", "true", "false"),
    [
        ({"brightness": 0.9}, "brightness", BRIGHT, DARK),
        ({"brightness": 0.1}, "brightness", DARK, BRIGHT),
        ({"tempo_bpm": 140}, "tempo", FAST, SLOW),
        (
            {"density": 0.1},
            "density",
            words.DENSITY_WORDS["sparse"].train,
            words.DENSITY_WORDS["dense"].train,
        ),
        ({"mode": "dorian"}, "mode", ("dorian",), ("major",)),
        ({"mode": "lydian"}, "mode", ("lydian",), ("minor",)),
        ({}, "drums", WITH_DRUMS, WITHOUT_DRUMS),
        ({"instruments": ("piano",)}, "drums", WITHOUT_DRUMS, WITH_DRUMS),
        ({"tempo_bpm": 100}, "bpm", ("100 bpm",), ("bpm",)),
    ],
)
def test_texts_differ_in_the_fact_alone(changes, fact, true, false):
    for pair in pairs(piece("techno", **changes), fact):
        assert pair.fact == fact
        assert has_any(pair.true, true)
        assert has_any(pair.false, false)
        if fact != "bpm":
            assert without(pair.true, true) == without(pair.false, false)


def test_other_tempo_differs_by_a_quarter():
    for pair in pairs(piece("techno", tempo_bpm=100), "bpm"):
        bpm = int(next(word for word in pair.false.split() if word.isdigit()))
        assert bpm >= 125 or bpm <= 80


def test_fact_in_the_middle_has_no_opposite():
    middle = piece("techno", brightness=0.5, density=0.5, tempo_bpm=100)
    assert facts_with_opposite(middle) == ("bpm", "mode", "drums")
    assert set(
        facts_with_opposite(piece("techno", brightness=0.1, density=0.1, tempo_bpm=60))
    ) == set(FACTS)
    assert {contrast(RANDOM, middle).fact for _ in range(60)} == {"bpm", "mode", "drums"}


@pytest.mark.parametrize("genre", sorted(GENRES))
def test_every_genre_has_contrasts(genre):
    assert all(pair.true != pair.false for pair in pairs(piece(genre, brightness=0.9), ""))


def test_drums_are_known_by_instrument():
    assert has_drums(piece("techno", instruments=("piano", "brushed drums")))
    assert not has_drums(piece("techno", instruments=("piano",)))


STEEPEST = jnp.float32(6.0)


def test_loss_falls_as_the_true_text_comes_nearer():
    first, second = jnp.eye(2)
    clips, steepness = jnp.stack([first]), jnp.log(jnp.float32(5.0))
    chance = contradiction(clips, clips, clips, steepness, STEEPEST)
    assert chance == pytest.approx(math.log(2))
    right = contradiction(jnp.stack([first]), jnp.stack([second]), clips, steepness, STEEPEST)
    assert right == pytest.approx(math.log1p(math.exp(-5)), rel=1e-4)
    wrong = contradiction(jnp.stack([second]), jnp.stack([first]), clips, steepness, STEEPEST)
    assert wrong == pytest.approx(5 + math.log1p(math.exp(-5)), rel=1e-4)


def test_truths_count_the_clips_nearer_to_the_true_text():
    basis = np.eye(2, dtype=np.float32)
    genres = np.array(["a"] * 3)
    clips = Embedded(basis[[0, 0, 1]], np.array([0, 0, 1]), genres)
    true = Embedded(basis[[0, 0]], np.array([0, 1]), genres[:2])
    false = Embedded(basis[[1, 1]], np.array([0, 1]), genres[:2])
    measured = truths(clips, true, false, np.array(["drums", "mode"]))
    assert measured["drums"] == {"texts": 1, "right": 1.0, "cosine": 1.0}
    assert measured["mode"] == {"texts": 1, "right": 0.0, "cosine": -1.0}
