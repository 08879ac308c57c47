"""The shares of style embeddings on vectors with known answers."""

import numpy as np
import pytest

from soundstage.training.style.embedder import Embedded
from soundstage.training.style.evaluation import agreement, named_right, proximity

GENRES = np.array(["jazz"] * 6 + ["techno"] * 6)
PIECES = np.repeat(np.arange(4), 3)


def items(axes: np.ndarray) -> Embedded:
    return Embedded(np.eye(8, dtype=np.float32)[axes], PIECES, GENRES)


def test_texts_on_their_clips_find_their_genre():
    both = items(np.repeat([0, 1], 6))
    shares = proximity(both, both)
    assert shares["cosine_own_piece"] == shares["cosine_same_genre"] == 1
    assert shares["cosine_other_genre"] == shares["gap"] == 0
    assert shares["genre_of_clips_nearest_a_text"] == shares["genre_of_texts_nearest_a_clip"] == 1


def test_texts_on_the_other_genre_never_find_theirs():
    shares = proximity(items(np.repeat([0, 1], 6)), items(np.repeat([1, 0], 6)))
    assert shares["genre_of_clips_nearest_a_text"] == shares["genre_of_texts_nearest_a_clip"] == 0
    assert shares["cosine_own_piece"] == 0


def test_gap_is_the_distance_of_mean_text_and_mean_clip():
    shares = proximity(items(np.zeros(12, int)), items(np.ones(12, int)))
    assert shares["gap"] == pytest.approx(np.sqrt(2))


def test_named_right_counts_items_nearest_to_their_name():
    names = Embedded(
        np.eye(8, dtype=np.float32)[:2], np.array([0, 2]), np.array(["jazz", "techno"])
    )
    assert named_right(items(np.repeat([0, 1], 6)), names) == 1
    assert named_right(items(np.zeros(12, int)), names) == 0.5


def test_agreement_leaves_out_pairs_of_an_item_with_itself():
    books = np.zeros((2, 8, 8), np.float32)
    books[0] = np.eye(8)
    apart = items(np.arange(12) % 3)  # in every piece the clips have three different codes
    same = agreement(apart, apart, books)
    assert same["one_piece"] == [0.0, 1.0]
    assert same["two_genres"] == [pytest.approx(1 / 3, abs=1e-4), 1.0]
    alike = items(PIECES)
    assert agreement(alike, items(PIECES), books) == {
        "one_piece": [1.0, 1.0],
        "one_genre": [0.0, 1.0],
        "two_genres": [0.0, 1.0],
    }
