"""Distances of texts from pieces by the facts they mention, and random prompts."""

import numpy as np
import pytest
from style_pieces import piece

from soundstage.stages.style_towers.text import SentencePieces
from soundstage.training.style.facts import TextFit
from soundstage.training.style.prompts import Prompter, cut, misspelt, mistyped
from soundstage.training.style.vocabulary import learn_vocabulary

PIECES = [
    piece("jazz"),
    piece("jazz", tempo_bpm=160, instruments=("upright bass", "tenor saxophone")),
    piece("techno", tempo_bpm=130, density=0.9),
    piece("ambient", tempo_bpm=60, density=0.1, brightness=0.1, instruments=("warm pad",)),
]
FIT = TextFit(PIECES)


def test_genre_fits_every_piece_of_it_equally():
    distances = FIT.distances(0, "Jazz music!")
    assert distances[0] == distances[1] == 0
    assert distances[2] == distances[3] > 2


def test_instrument_fits_every_piece_with_it():
    distances = FIT.distances(1, "some saxophone")
    assert distances[1] == 0
    assert distances[0] == distances[2] == distances[3] > 0


def test_tempo_in_bpm_fits_by_distance_in_octaves():
    distances = FIT.distances(3, "ambi, 60 BPM")
    assert 0 == distances[3] < distances[0] < distances[1] == distances[2]


def test_each_fact_adds_distance_from_other_pieces():
    assert np.all(FIT.distances(2, "dense techno") >= FIT.distances(2, "techno"))
    assert FIT.distances(2, "dense techno")[0] > FIT.distances(2, "techno")[0]


@pytest.mark.parametrize("text", ["", "zzz", "technology", "jazzy"])
def test_text_without_facts_is_nearest_to_its_piece(text):
    distances = FIT.distances(0, text)
    assert distances[0] == 0
    assert distances[2:].min() > 0
    assert distances.max() < FIT.distances(0, "jazz").max()


@pytest.mark.parametrize("number", range(len(PIECES)))
def test_every_prompt_fits_its_own_piece_best(number):
    prompter, random = Prompter(PIECES), np.random.default_rng(0)
    prompts = [prompter(random, number) for _ in range(100)]
    assert all(prompt.distances[number] == 0 == prompt.distances.min() for prompt in prompts)
    assert all(prompt.text.strip() for prompt in prompts)
    assert len({prompt.text for prompt in prompts}) > 45


def test_words_are_cut_and_misspelt():
    random = np.random.default_rng(0)
    text = "slow jazz with drums and saxophone"
    cuts = {cut(random, text) for _ in range(50)}
    assert text in cuts
    assert all(set(one.split()) <= set(text.split()) and one for one in cuts)
    assert {len(mistyped(random, "drums")) for _ in range(50)} == {4, 5, 6}
    assert mistyped(random, "sad") == "sad"
    assert any(misspelt(random, text) != text for _ in range(10))


def test_vocabulary_does_not_depend_on_the_order_of_texts():
    texts = [text for one in PIECES for text in one.texts]
    first = learn_vocabulary(texts, 90)
    assert learn_vocabulary([*reversed(texts), *texts], 90) == first
    pieces = SentencePieces(first)
    assert 0 < pieces.size <= 90
    assert len(pieces.pieces("techno")) < len(pieces.pieces("onchet"))
    assert all(0 <= number < pieces.size for number in pieces.pieces("jazz ☃ qqq ä"))
