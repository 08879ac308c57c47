"""Figures are right where the answer is known."""

import numpy as np
import pytest

from soundstage.training.style.embedder import Embedded
from soundstage.training.style.evaluation import agreement, meeting, named

GENRES = np.array(["jazz"] * 6 + ["techno"] * 6)
PIECES = np.repeat(np.arange(4), 3)


def items(axes: np.ndarray) -> Embedded:
    return Embedded(np.eye(8, dtype=np.float32)[axes], PIECES, GENRES)


def test_texts_on_their_clips_are_told_apart_perfectly():
    both = items(np.repeat([0, 1], 6))
    found = meeting(both, both)
    assert found["cosine_own_piece"] == found["cosine_same_genre"] == 1
    assert found["cosine_other_genre"] == found["gap"] == 0
    assert found["genre_of_clips_nearest_a_text"] == found["genre_of_texts_nearest_a_clip"] == 1


def test_texts_that_lie_on_the_other_kind_are_all_wrong():
    found = meeting(items(np.repeat([0, 1], 6)), items(np.repeat([1, 0], 6)))
    assert found["genre_of_clips_nearest_a_text"] == found["genre_of_texts_nearest_a_clip"] == 0
    assert found["cosine_own_piece"] == 0


def test_a_gap_between_all_texts_and_all_clips_shows():
    found = meeting(items(np.zeros(12, int)), items(np.ones(12, int)))
    assert found["gap"] == pytest.approx(np.sqrt(2))


def test_a_clip_is_named_by_the_nearest_name():
    names = Embedded(
        np.eye(8, dtype=np.float32)[:2], np.array([0, 2]), np.array(["jazz", "techno"])
    )
    assert named(items(np.repeat([0, 1], 6)), names) == 1
    assert named(items(np.zeros(12, int)), names) == 0.5


def test_tokens_agree_within_a_piece_and_pairs_with_itself_do_not_count():
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
