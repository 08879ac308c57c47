"""Residual k-means: every level shortens what is left, and unused codes are never chosen."""

from itertools import pairwise

import jax.numpy as jnp
import numpy as np
import pytest

from soundstage.stages import rvq
from soundstage.training.style.codebooks import learn_codebooks, level_codes, tokens

RANK, LEVELS, CODES = 6, 4, 16
NOTHING = np.zeros((0, RANK), np.float32)


def vectors(count: int, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    centres = random.standard_normal((5, RANK))
    found = centres[random.integers(5, size=count)] + 0.2 * random.standard_normal((count, RANK))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def learn(known: np.ndarray, used=(4, 8, 16, 16), blends=NOTHING, kinds=None) -> np.ndarray:
    kinds = np.arange(len(known)) % used[0] if kinds is None else kinds
    return learn_codebooks(known, kinds, blends, used, CODES, np.random.default_rng(0))


def test_every_level_brings_unseen_vectors_nearer():
    books, unseen = learn(vectors(700)[:600]), vectors(700)[600:]
    found = tokens(unseen, books)
    left = unseen
    lengths = [1.0]
    for level in range(LEVELS):
        left = left - books[level][found[:, level]]
        lengths.append(float(np.linalg.norm(left, axis=1).mean()))
    assert all(after < before for before, after in pairwise(lengths))
    assert lengths[-1] < 0.35


def test_a_level_uses_no_more_codes_than_it_may():
    found = tokens(vectors(600), learn(vectors(600)))
    assert [int(found[:, level].max()) < limit for level, limit in enumerate((4, 8, 16, 16))] == [
        True
    ] * LEVELS
    assert len(np.unique(found[:, 0])) == 4
    assert len(np.unique(found[:, 3])) == CODES


def test_tokens_are_those_of_the_stage():
    books, some = learn(vectors(300)), vectors(50, seed=2)
    expected = rvq.encode(jnp.asarray(some), jnp.asarray(books))
    np.testing.assert_array_equal(tokens(some, books), np.asarray(expected))


@pytest.mark.parametrize("count", [1, 3, 20])
def test_few_vectors_are_learnt_by_heart(count):
    some = vectors(count)
    books = learn(some, used=(16, 16, 16, 16))
    rebuilt = books[np.arange(LEVELS), tokens(some, books)].sum(axis=1)
    np.testing.assert_allclose(rebuilt, some, atol=0.2)
    assert np.isfinite(books).all()


def test_the_same_vectors_give_the_same_codebooks():
    np.testing.assert_array_equal(learn(vectors(200)), learn(vectors(200)))


def test_the_first_level_has_a_code_for_every_kind_whatever_the_blends():
    kinds = np.eye(4, RANK, dtype=np.float32)
    random = np.random.default_rng(0)
    some = np.repeat(kinds, 50, axis=0) + random.normal(0, 0.02, (200, RANK)).astype(np.float32)
    blends = (some + some[random.permutation(200)]) / 2
    found = tokens(some, learn(some, blends=blends, kinds=np.repeat(np.arange(4), 50)))[
        :, 0
    ].reshape(4, 50)
    assert all(len(set(row)) == 1 for row in found)
    assert len(set(found[:, 0])) == 4


def test_levels_use_twice_as_many_codes_as_the_one_before_up_to_all():
    assert level_codes(3, 6, 20) == (3, 6, 12, 20, 20, 20)
    assert level_codes(1, 3, 1) == (1, 1, 1)
