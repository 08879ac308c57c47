"""Products with packed weights: right, and the same bytes for any number of rows and threads."""

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("numba", reason="the extra `cpu` is not installed")

from soundstage.kernels.products import multiply, packed
from soundstage.kernels.team import Team

INNER, OUTER, ROWS = 37, 150, 16


@pytest.fixture(scope="module")
def matrices():
    draw = np.random.default_rng(0)
    kernels = draw.standard_normal((2, INNER, OUTER)).astype(np.float32)
    return SimpleNamespace(
        kernels=kernels, x=draw.standard_normal((ROWS, INNER)).astype(np.float32)
    )


def product(matrix, x, threads, before=None):
    y = np.zeros((len(x), OUTER), np.float32) if before is None else before.copy()
    Team(threads)(lambda member: multiply(member, matrix, 1, x, y, before is not None))
    return y


@pytest.mark.parametrize("in_8_bits", [False, True])
def test_products_are_those_of_the_weights(matrices, in_8_bits):
    kernel, x = matrices.kernels[1].astype(np.float64), matrices.x
    if in_8_bits:
        scales = np.abs(kernel).max(axis=0) / 127
        kernel = np.round(kernel / scales) * scales
    y = product(packed(matrices.kernels, in_8_bits), x, 1)
    np.testing.assert_allclose(y, x @ kernel, atol=2e-5)
    before = np.ones_like(y)
    np.testing.assert_allclose(
        product(packed(matrices.kernels, in_8_bits), x, 1, before), 1 + x @ kernel, atol=2e-5
    )


@pytest.mark.parametrize("in_8_bits", [False, True])
def test_a_row_has_the_same_bytes_beside_any_others_and_on_any_thread(matrices, in_8_bits):
    matrix = packed(matrices.kernels, in_8_bits)
    whole = product(matrix, matrices.x, 1)
    for rows in range(1, ROWS + 1):
        for threads in (1, 2, 3):
            part = product(matrix, matrices.x[-rows:], threads)
            np.testing.assert_array_equal(part, whole[-rows:])


def test_rounding_to_8_bits_keeps_a_scale_an_output(matrices):
    kernel = matrices.kernels[0] * np.geomspace(1e-3, 1e3, OUTER).astype(np.float32)
    matrix = packed([np.zeros_like(kernel), kernel], True)
    rounded = product(matrix, np.eye(INNER, dtype=np.float32), 1)
    steps = np.abs(kernel).max(axis=0) / 127
    assert (np.abs(rounded - kernel) <= 0.5001 * steps[None]).all()
    assert 4 * matrix.weights.nbytes == packed([kernel] * 2, False).weights.nbytes
