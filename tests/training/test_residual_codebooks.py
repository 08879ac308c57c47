"""Quantization by residual codebooks in NumPy."""

import numpy as np

from soundstage.stages import rvq
from soundstage.training.residual_codebooks import encode, nearest, sums_by_code

DRAW = np.random.default_rng(0)
VECTORS = DRAW.standard_normal((50, 4)).astype(np.float32)
BOOKS = DRAW.standard_normal((3, 8, 4)).astype(np.float32)


def test_codes_are_those_of_rvq_in_any_block():
    expected = np.asarray(rvq.encode(VECTORS, BOOKS))
    for block in (None, 7):
        np.testing.assert_array_equal(encode(VECTORS, BOOKS, block)[0], expected)


def test_residual_is_the_vector_minus_its_codes():
    codes, residual = encode(VECTORS, BOOKS)
    decoded = BOOKS[np.arange(3), codes].sum(axis=1)
    np.testing.assert_allclose(residual, VECTORS - decoded, atol=1e-6)


def test_sums_by_code_are_the_sums_of_the_vectors_that_chose_it():
    chosen = nearest(VECTORS, BOOKS[0])
    counts, sums = sums_by_code(VECTORS, chosen, 8)
    assert counts.tolist() == [int((chosen == code).sum()) for code in range(8)]
    expected = [VECTORS[chosen == code].sum(axis=0) for code in np.unique(chosen)]
    np.testing.assert_allclose(sums, expected, atol=1e-5)
