"""Residual k-means of style codebooks."""

from itertools import pairwise

import jax.numpy as jnp
import numpy as np
import pytest

from soundstage.stages import rvq
from soundstage.training.residual_codebooks import encode
from soundstage.training.style.codebooks import learn_codebooks, level_codes

RANK, LEVELS, CODES = 6, 4, 16
NOTHING = np.zeros((0, RANK), np.float32)


def vectors(count: int, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    centres = random.standard_normal((5, RANK))
    points = centres[random.integers(5, size=count)] + 0.2 * random.standard_normal((count, RANK))
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


def tokens(vectors: np.ndarray, books: np.ndarray) -> np.ndarray:
    return encode(vectors, books)[0]


def learn(known: np.ndarray, used=(4, 8, 16, 16), blends=NOTHING, kinds=None) -> np.ndarray:
    kinds = np.arange(len(known)) % used[0] if kinds is None else kinds
    return learn_codebooks(known, kinds, blends, used, CODES, np.random.default_rng(0))


def test_every_level_shortens_the_residuals_of_unseen_vectors():
    books, unseen = learn(vectors(700)[:600]), vectors(700)[600:]
    lengths = [1.0]
    for level in range(LEVELS):
        residual = encode(unseen, books[: level + 1])[1]
        lengths.append(float(np.linalg.norm(residual, axis=1).mean()))
    assert all(after < before for before, after in pairwise(lengths))
    assert lengths[-1] < 0.35


def test_level_uses_no_more_codes_than_its_limit():
    codes = tokens(vectors(600), learn(vectors(600)))
    assert [int(codes[:, level].max()) < limit for level, limit in enumerate((4, 8, 16, 16))] == [
        True
    ] * LEVELS
    assert len(np.unique(codes[:, 0])) == 4
    assert len(np.unique(codes[:, 3])) == CODES


def test_codes_are_those_of_the_stage():
    books, some = learn(vectors(300)), vectors(50, seed=2)
    expected = rvq.encode(jnp.asarray(some), jnp.asarray(books))
    np.testing.assert_array_equal(tokens(some, books), np.asarray(expected))


@pytest.mark.parametrize("count", [1, 3, 20])
def test_few_vectors_are_reproduced(count):
    some = vectors(count)
    books = learn(some, used=(16, 16, 16, 16))
    rebuilt = books[np.arange(LEVELS), tokens(some, books)].sum(axis=1)
    np.testing.assert_allclose(rebuilt, some, atol=0.2)
    assert np.isfinite(books).all()


def test_same_vectors_give_the_same_codebooks():
    np.testing.assert_array_equal(learn(vectors(200)), learn(vectors(200)))


def test_first_level_has_one_code_a_kind_despite_blends():
    kinds = np.eye(4, RANK, dtype=np.float32)
    random = np.random.default_rng(0)
    some = np.repeat(kinds, 50, axis=0) + random.normal(0, 0.02, (200, RANK)).astype(np.float32)
    blends = (some + some[random.permutation(200)]) / 2
    codes = tokens(some, learn(some, blends=blends, kinds=np.repeat(np.arange(4), 50)))[
        :, 0
    ].reshape(4, 50)
    assert all(len(set(row)) == 1 for row in codes)
    assert len(set(codes[:, 0])) == 4


def test_level_codes_double_up_to_the_limit():
    assert level_codes(3, 6, 20) == (3, 6, 12, 20, 20, 20)
    assert level_codes(1, 3, 1) == (1, 1, 1)
