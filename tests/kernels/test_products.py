"""Products with packed weights: right, and the same bytes for any number of rows and threads."""

import os
import subprocess
import sys
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

pytest.importorskip("numba", reason="the extra `cpu` is not installed")

from soundstage.kernels.products import multiply, packed
from soundstage.kernels.team import Team

INNER, OUTER, ROWS = 37, 150, 16


# Prints the digest of products of weights of all forms, and how wide the vectors were.
PRINT_PRODUCTS = """
import hashlib
import numpy as np
from soundstage.kernels.products import multiply, packed
from soundstage.kernels.team import Team
from soundstage.kernels.vectors import LANES

draw, digest = np.random.default_rng(0), hashlib.sha256()
kernel, x = (draw.standard_normal(shape, np.float32) for shape in ((37, 150), (5, 37)))
for dtype in ("float32", "bfloat16", "int8"):
    y = np.zeros((5, 150), np.float32)
    Team(1)(lambda member: multiply(member, packed([kernel], dtype), 0, x, y, False))
    assert np.abs(y - x @ kernel).max() < (1e-4 if dtype == "float32" else 0.3)
    digest.update(y)
print(LANES, digest.hexdigest())
"""


def printed(**variables):
    done = subprocess.run(
        [sys.executable, "-c", PRINT_PRODUCTS],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    lanes, digest = done.stdout.split()
    return int(lanes), digest


def test_other_registers_and_instructions_give_the_same_bytes():
    widest, here = printed()
    if os.uname().machine != "x86_64":
        assert widest == 4
        return
    with_avx2 = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx2,+fma"}
    assert printed(**with_avx2) == (8, here)
    if widest == 16:
        # Without the instruction that multiplies pairs of integers and adds both products.
        features = "+avx2,+fma,+avx512f,+avx512bw,+avx512vl,+avx512dq"
        without = {"NUMBA_CPU_NAME": "skylake-avx512", "NUMBA_CPU_FEATURES": features}
        assert printed(**without) == (16, here)
    # As wide as on ARM.
    assert printed(NUMBA_CPU_NAME="haswell", NUMBA_CPU_FEATURES="+fma") == (4, here)


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


def rounded_to(most, values, axis):
    """The whole numbers of at most `most`, and their scale: float64."""
    largest = np.maximum(np.abs(values).max(axis=axis, keepdims=True), np.float32(1e-30))
    return np.rint(values * (np.float32(most) / largest)).astype(np.float64), largest / most


def test_products_are_those_of_the_weights(matrices):
    kernel, x = matrices.kernels[1].astype(np.float64), matrices.x
    y = product(packed(matrices.kernels, "float32"), x, 1)
    np.testing.assert_allclose(y, x @ kernel, atol=2e-5)
    added = product(packed(matrices.kernels, "float32"), x, 1, np.ones_like(y))
    np.testing.assert_allclose(added, 1 + x @ kernel, atol=2e-5)


def test_products_in_bfloat16_are_those_of_rounded_weights_in_float32(matrices):
    rounded = matrices.kernels.astype(jnp.bfloat16).astype(np.float32)
    assert np.abs(rounded - matrices.kernels).max() > 1e-3
    halves, whole = packed(matrices.kernels, "bfloat16"), packed(rounded, "float32")
    assert 2 * halves.weights.nbytes == whole.weights.nbytes
    for rows in range(1, ROWS + 1):
        y = product(halves, matrices.x[:rows], 1)
        np.testing.assert_array_equal(y, product(whole, matrices.x[:rows], 1))


@pytest.mark.parametrize("inner", [INNER, 1100])
def test_products_in_8_bits_are_those_of_whole_numbers(inner):
    draw = np.random.default_rng(1)
    kernel = draw.standard_normal((inner, OUTER)).astype(np.float32)
    x = draw.standard_normal((ROWS, inner)).astype(np.float32)
    x[1] = 0
    weights, scales = rounded_to(127, kernel, 0)
    given, factors = rounded_to(32767, x, 1)
    right = (given @ weights) * factors * scales
    matrix = packed([np.zeros_like(kernel), kernel], "int8")
    y = product(matrix, x, 1)
    np.testing.assert_allclose(y, right, rtol=1e-6, atol=1e-5)
    np.testing.assert_allclose(y, x @ kernel, atol=0.05 * np.sqrt(inner))
    np.testing.assert_allclose(product(matrix, x, 1, np.ones_like(y)), 1 + right, atol=1e-5)


def test_sums_of_the_largest_whole_numbers_do_not_overflow():
    kernel = np.full((1100, OUTER), -3.0, np.float32)
    x = np.full((1, 1100), 2.0, np.float32)
    y = product(packed([kernel] * 2, "int8"), x, 1)
    np.testing.assert_allclose(y, -6 * 1100, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int8"])
def test_a_row_has_the_same_bytes_beside_any_others_and_on_any_thread(matrices, dtype):
    matrix = packed(matrices.kernels, dtype)
    whole = product(matrix, matrices.x, 1)
    for rows in range(1, ROWS + 1):
        for threads in (1, 2, 3):
            part = product(matrix, matrices.x[-rows:], threads)
            np.testing.assert_array_equal(part, whole[-rows:])


def test_rounding_to_8_bits_keeps_a_scale_an_output(matrices):
    kernel = matrices.kernels[0] * np.geomspace(1e-3, 1e3, OUTER).astype(np.float32)
    matrix = packed([np.zeros_like(kernel), kernel], "int8")
    rounded = product(matrix, np.eye(INNER, dtype=np.float32), 1)
    steps = np.abs(kernel).max(axis=0) / 127
    assert (np.abs(rounded - kernel) <= 0.5001 * steps[None]).all()
    in_32_bits = packed([kernel] * 2, "float32").weights.nbytes
    assert 4 * matrix.weights.nbytes == in_32_bits * (INNER + 1) / INNER
