"""The plan of a corpus."""

from collections import Counter

import pytest

from soundstage.training.corpus.composition.theory import TONICS
from soundstage.training.corpus.genres import GENRES
from soundstage.training.corpus.plan import piece_seed, plan_piece


def test_splits_and_corpora_share_no_seed():
    seeds = [
        piece_seed(corpus, index, split)
        for corpus in (0, 1, 2)
        for split in ("train", "heldout")
        for index in (0, 1, 500, 999_999)
    ]
    assert len(set(seeds)) == len(seeds)


@pytest.mark.parametrize(("corpus", "index"), [(-1, 0), (0, -1), (0, 1_000_000)])
def test_piece_outside_its_block_is_refused(corpus, index):
    with pytest.raises(ValueError, match="no piece"):
        piece_seed(corpus, index, "train")


def test_genres_are_balanced():
    counts = Counter(plan_piece(0, index, "train").genre for index in range(5 * len(GENRES)))
    assert set(counts.values()) == {5}
    assert counts.keys() == GENRES.keys()


def test_briefs_stay_within_their_genre_and_use_all_keys():
    briefs = [plan_piece(7, index, "train") for index in range(400)]
    for brief in briefs:
        genre = GENRES[brief.genre]
        assert genre.tempo_bpm[0] <= brief.tempo_bpm <= genre.tempo_bpm[1]
        assert brief.mode in genre.progressions
        assert genre.density[0] <= brief.density <= genre.density[1]
        assert genre.brightness[0] <= brief.brightness <= genre.brightness[1]
    assert {brief.tonic for brief in briefs} == set(TONICS)
