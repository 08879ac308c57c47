"""Residual vector quantization: properties of `encode`, `decode` and the checks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundstage.stages import rvq

few = settings(max_examples=25)
seeds = st.integers(0, 2**32 - 1)
# Compiled once for each shape, not traced in each example.
encode, decode = jax.jit(rvq.encode), jax.jit(rvq.decode)


def random_codebooks(seed, levels=3, codes=7, dim=5):
    draw = np.random.default_rng(seed)
    scale = 0.6 ** np.arange(levels)[:, None, None]
    return (draw.standard_normal((levels, codes, dim)) * scale).astype(np.float32)


def separable_codebooks(seed, levels=3, codes=7, dim=5):
    """Codebooks so much finer at every level that no level can make up for a wrong code."""
    draw = np.random.default_rng(seed)
    corners = np.stack(np.unravel_index(np.arange(codes), (2,) * 3), axis=-1)
    corners = np.pad(corners, ((0, 0), (0, dim - 3))) + 0.1 * draw.uniform(-1, 1, (codes, dim))
    scale = 0.05 ** np.arange(levels)[:, None, None]
    return (corners[None] * scale).astype(np.float32)


@given(seeds, st.integers(1, 3))
@few
def test_separable_codes_survive_decoding_and_encoding(seed, levels):
    codebooks = separable_codebooks(seed)[:levels]
    codes = np.random.default_rng(seed).integers(0, 7, (4, 2, levels)).astype(np.int32)
    embeddings = decode(jnp.asarray(codes), jnp.asarray(codebooks))
    np.testing.assert_array_equal(encode(embeddings, jnp.asarray(codebooks)), codes)


@given(seeds, st.integers(1, 3))
@few
def test_first_levels_do_not_depend_on_later_ones(seed, levels):
    codebooks = random_codebooks(seed)
    embeddings = np.random.default_rng(seed).standard_normal((6, 5)).astype(np.float32)
    whole = encode(embeddings, codebooks)
    np.testing.assert_array_equal(encode(embeddings, codebooks[:levels]), whole[:, :levels])


@given(seeds)
@few
def test_every_level_picks_the_nearest_code(seed):
    codebooks = random_codebooks(seed)
    embeddings = np.random.default_rng(seed).standard_normal((6, 5)).astype(np.float32)
    codes = np.asarray(encode(embeddings, codebooks))
    residual = embeddings.astype(np.float64)
    for level, book in enumerate(codebooks.astype(np.float64)):
        distances = np.square(residual[:, None] - book[None]).sum(axis=-1)
        taken = np.take_along_axis(distances, codes[:, level, None], axis=1)[:, 0]
        np.testing.assert_allclose(taken, distances.min(axis=1), atol=1e-5)
        residual -= book[codes[:, level]]


@given(seeds, st.integers(1, 3))
@few
def test_decoding_is_the_float32_sum_in_level_order(seed, levels):
    codebooks = random_codebooks(seed)
    codes = np.random.default_rng(seed).integers(0, 7, (4, 2, levels)).astype(np.int32)
    total = codebooks[0][codes[..., 0]]
    for level in range(1, levels):
        total = total + codebooks[level][codes[..., level]]
    np.testing.assert_array_equal(decode(codes, jnp.asarray(codebooks)), total)


def test_lowest_of_equally_near_codes_is_picked():
    codebooks = np.array([[[2.0], [1.0], [-1.0], [1.0]]], np.float32)
    codes = encode(np.array([[0.0], [1.0]], np.float32), codebooks)
    np.testing.assert_array_equal(codes, [[1], [1]])


def test_any_number_of_leading_axes_is_accepted():
    codebooks = random_codebooks(0)
    embeddings = np.random.default_rng(1).standard_normal((2, 3, 4, 5)).astype(np.float32)
    codes = encode(embeddings, codebooks)
    assert codes.shape == (2, 3, 4, 3)
    assert codes.dtype == jnp.int32
    np.testing.assert_array_equal(encode(embeddings[1, 2, 3], codebooks), codes[1, 2, 3])


@pytest.mark.parametrize("levels", [0, 4])
def test_decode_with_no_or_too_many_levels_is_refused(levels):
    with pytest.raises(ValueError, match=f"{levels} levels, but the quantizer has 1 to 3"):
        decode(jnp.zeros((1, levels), jnp.int32), jnp.asarray(random_codebooks(0)))


def test_embeddings_of_another_width_are_refused():
    with pytest.raises(ValueError, match="width 4, but the codebooks have 5"):
        encode(jnp.zeros((1, 4)), jnp.asarray(random_codebooks(0)))


@given(seeds, st.sampled_from([-1, 7, 2**31 - 1, -(2**31)]))
@few
def test_code_out_of_range_is_named_with_its_index(seed, bad):
    draw = np.random.default_rng(seed)
    codes = draw.integers(0, 7, (2, 3, 4)).astype(np.int32)
    index = tuple(int(draw.integers(size)) for size in codes.shape)
    codes[index] = bad
    with pytest.raises(ValueError, match=rf"code {bad} at \[{', '.join(map(str, index))}\]"):
        rvq.check_codes(codes, 7)


def test_codes_at_range_ends_pass_and_floats_are_refused():
    rvq.check_codes(np.array([[0, 6]]), 7)
    with pytest.raises(TypeError, match="float64"):
        rvq.check_codes(np.array([[0.0, 6.0]]), 7)
