"""Codebooks that follow embeddings, and codebooks fitted by k-means."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from soundstage.stages import rvq
from soundstage.training.codec.codebooks import follow, perplexity, start_books
from soundstage.training.codec.codebooks import quantize as traced_quantize
from soundstage.training.codec.kmeans import fit_codebooks

LEVELS, CODES, WIDTH = 3, 8, 4
# Compiled once for each shape, not operation by operation.
quantize, encode, decode = map(jax.jit, (traced_quantize, rvq.encode, rvq.decode))


def vectors(seed, count):
    return jnp.asarray(np.random.default_rng(seed).standard_normal((count, WIDTH)), jnp.float32)


def books(seed=0, spread=1.0):
    draw = np.random.default_rng(seed).standard_normal((LEVELS, CODES, WIDTH))
    return jnp.asarray(spread * draw, jnp.float32)


@pytest.fixture(scope="module")
def jit_follow():
    return jax.jit(follow, static_argnames="decay")


def no_draw():
    return jnp.zeros((LEVELS, CODES), jnp.int32)


def test_codes_are_those_of_rvq_and_sums_are_their_decoding():
    quantized = quantize(vectors(1, 20), books())
    np.testing.assert_array_equal(quantized.codes, encode(vectors(1, 20), books()))
    for level in range(LEVELS):
        decoded = decode(quantized.codes[:, : level + 1], books())
        np.testing.assert_allclose(quantized.sums[level], decoded, atol=1e-6)
    np.testing.assert_allclose(quantized.residuals[0], vectors(1, 20))
    np.testing.assert_allclose(
        quantized.residuals[2], vectors(1, 20) - quantized.sums[1], atol=1e-6
    )


def test_decay_zero_moves_a_code_to_the_mean_of_its_vectors(jit_follow):
    start = start_books(books(), 200)
    quantized = quantize(vectors(2, 200), start.embedding)
    after = jit_follow(start, quantized, jnp.ones((LEVELS, 200), bool), no_draw(), decay=0.0)
    for level in range(LEVELS):
        codes = np.asarray(quantized.codes[:, level])
        for code in np.flatnonzero(np.bincount(codes, minlength=CODES) > 10):
            mean = np.asarray(quantized.residuals[level])[codes == code].mean(axis=0)
            np.testing.assert_allclose(after.embedding[level, code], mean, atol=1e-5)


def test_code_moves_by_one_minus_the_decay(jit_follow):
    start = start_books(jnp.zeros((1, 1, WIDTH)), 10)
    quantized = quantize(jnp.ones((10, WIDTH)), start.embedding)
    after = jit_follow(
        start, quantized, jnp.ones((1, 10), bool), jnp.zeros((1, 1), jnp.int32), decay=0.75
    )
    np.testing.assert_allclose(after.embedding, 0.25)
    np.testing.assert_allclose(after.counts, 10)


def test_following_lowers_the_quantization_error(jit_follow):
    state, data = start_books(books(spread=0.3), 256), vectors(3, 256)
    used = jnp.ones((LEVELS, 256), bool)

    def error(embedding):
        return float(jnp.square(data - quantize(data, embedding).sums[-1]).mean())

    before = error(state.embedding)
    for _ in range(20):
        quantized = quantize(data, state.embedding)
        state = jit_follow(state, quantized, used, no_draw(), decay=0.5)
    assert error(state.embedding) < 0.7 * before


def test_dead_code_moves_to_the_drawn_vector(jit_follow):
    far = books().at[0, 5].set(100.0)
    state, data = start_books(far, 64), vectors(4, 64)
    draw = no_draw().at[0, 5].set(64 + 7)  # draws wrap around
    used = jnp.ones((LEVELS, 64), bool)
    for _ in range(5):
        quantized = quantize(data, state.embedding)
        assert 5 not in np.asarray(quantized.codes[:, 0])
        state = jit_follow(state, quantized, used, draw, decay=0.5)
        if float(jnp.abs(state.embedding[0, 5]).max()) < 50:
            break
    np.testing.assert_allclose(state.embedding[0, 5], data[7], atol=1e-6)
    assert bool(jnp.isfinite(state.embedding).all())


def test_unused_levels_do_not_move(jit_follow):
    state, data = start_books(books(), 64), vectors(5, 64)
    used = jnp.asarray([True, False, False])[:, None] & jnp.ones((1, 64), bool)
    after = jit_follow(state, quantize(data, state.embedding), used, no_draw(), decay=0.9)
    assert not np.array_equal(after.embedding[0], state.embedding[0])
    np.testing.assert_allclose(after.embedding[1:], state.embedding[1:], rtol=1e-5)


def test_perplexity_counts_equally_used_codes():
    counts = jnp.asarray([[1.0, 1, 1, 1], [5, 0, 0, 0], [0.5, 0.5, 0, 0]])
    np.testing.assert_allclose(perplexity(counts), [4, 1, 2], rtol=1e-5)


def test_fitted_codebooks_find_the_clusters_of_the_data():
    centres = 10 * vectors(6, CODES)
    data = jnp.repeat(centres, 16, axis=0) + 0.01 * vectors(7, 16 * CODES)
    fitted = fit_codebooks(data, jnp.int32(0), levels=2, codes=16, iterations=8)
    assert fitted.shape == (2, 16, WIDTH)
    quantized = quantize(data, fitted)
    assert float(jnp.abs(data - quantized.sums[0]).max()) < 0.1
    again = fit_codebooks(data, jnp.int32(0), levels=2, codes=16, iterations=8)
    np.testing.assert_array_equal(fitted, again)
