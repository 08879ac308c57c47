"""The fused choice of a code, interpreted on a processor, is the choice of the plain functions."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from soundstage.kernels.fused_choice import (
    ChoiceSettings,
    CodeEmbedding,
    can_choose,
    choose_and_embed,
)
from soundstage.stages.depthformer.choice import Sampling, guided, sampled

ROWS, PADDED, CHOICES, WIDTH, LEVELS, FIRST, LEVEL = 6, 16, 128, 48, 3, 2, 1
TEMPERATURE = np.array([1.1, 0.0, 1.0, 0.5, 2.0, 1e-3], np.float32)
TOP_K = np.array([0, 5, 40, 1, 128, 7], np.int32)
GUIDANCE = np.array([0.0, 1.0, 5.0, 2.0, 0.5, 3.0], np.float32)
TOP_P = np.array([1.0, 0.5, 0.9, 0.2, 0.0, 0.7], np.float32)
MIN_P = np.array([0.0, 0.5, 0.1, 0.02, 0.0, 1.0], np.float32)
TABLE = CodeEmbedding(
    jnp.asarray(
        np.random.default_rng(1).standard_normal((FIRST + LEVELS * CHOICES, WIDTH)), "float32"
    ),
    FIRST,
    jnp.dtype("float32"),
    jnp.dtype("float32"),
    PADDED,
)


def drawn(seed, ties=False):
    """Logits of guided rows, and the noise of all levels."""
    draw = np.random.default_rng(seed)
    logits = draw.standard_normal((PADDED, CHOICES)) * 3
    noise = draw.gumbel(size=(LEVELS, ROWS, CHOICES))
    return np.float32(np.round(logits) if ties else logits), np.float32(noise)


@partial(jax.jit, static_argnames=("rounded", "scale"))
def chosen(logits, noise, settings, penalty=None, rounded=TABLE.rounded, scale=1.0):
    table = TABLE._replace(rounded=rounded, dtype=rounded, scale=scale)
    return choose_and_embed(
        logits, noise, jnp.int32(LEVEL), settings, table, penalty, interpret=True
    )


@jax.jit
def chosen_plainly(logits, sampling, noise):
    return sampled(guided(logits, sampling.guidance), sampling, noise)


@pytest.mark.parametrize("ties", [False, True], ids=["all differ", "many are equal"])
@pytest.mark.parametrize("min_p", [None, MIN_P], ids=["", "min p"])
@pytest.mark.parametrize("top_p", [None, TOP_P], ids=["", "top p"])
def test_codes_are_those_of_guidance_cuts_and_noise(top_p, min_p, ties):
    for seed in range(4):
        logits, noise = drawn(seed, ties)
        sampling = Sampling(TEMPERATURE, TOP_K, GUIDANCE, None, None, top_p, min_p)
        expected = chosen_plainly(logits[: 2 * ROWS], sampling, noise[LEVEL])
        settings = ChoiceSettings(TEMPERATURE, TOP_K, [GUIDANCE], top_p, min_p)
        codes, embedded = chosen(logits, noise, settings)
        np.testing.assert_array_equal(codes, expected)
        rows = TABLE.table[FIRST + LEVEL * CHOICES + np.asarray(expected)]
        np.testing.assert_array_equal(embedded[: 2 * ROWS], np.concatenate([rows, rows]))


@pytest.mark.parametrize("kept", [1, 3, 127])
def test_no_code_is_chosen_that_top_k_cuts(kept):
    logits, noise = drawn(5)
    settings = ChoiceSettings(np.full(ROWS, 9.0, np.float32), np.full(ROWS, kept, np.int32), [])
    codes, _ = chosen(logits, noise * 100, settings)
    larger = np.sum(logits[:ROWS] > logits[np.arange(ROWS), codes][:, None], axis=1)
    assert larger.max() < kept


def test_equal_logits_all_stay_and_the_first_of_the_largest_is_chosen():
    logits, noise = np.zeros((PADDED, CHOICES), np.float32), np.zeros((3, ROWS, CHOICES))
    noise[LEVEL, :, 77] = noise[LEVEL, :, 99] = 1
    settings = ChoiceSettings(np.ones(ROWS, np.float32), np.full(ROWS, 2, np.int32), [])
    codes, _ = chosen(logits, np.float32(noise), settings)
    np.testing.assert_array_equal(codes, np.full(ROWS, 77))


def test_penalty_is_subtracted_behind_guidance():
    logits, noise = drawn(6)
    greedy = ChoiceSettings(np.zeros(ROWS, np.float32), np.zeros(ROWS, np.int32), [GUIDANCE])
    before = np.asarray(guided(logits[: 2 * ROWS], GUIDANCE))
    penalty = np.float32(np.random.default_rng(7).uniform(0, 30, before.shape))
    codes, _ = chosen(logits, noise, greedy, penalty=penalty)
    np.testing.assert_array_equal(codes, np.argmax(before - penalty, axis=1))


def test_embeddings_are_rounded_and_scaled_in_the_rounded_type():
    logits, noise = drawn(8)
    rounded = jnp.dtype("bfloat16")
    greedy = ChoiceSettings(np.zeros(ROWS, np.float32), np.zeros(ROWS, np.int32), [])
    codes, embedded = chosen(logits, noise, greedy, rounded=rounded, scale=7.25)
    rows = TABLE.table[FIRST + LEVEL * CHOICES + codes].astype(rounded)
    assert embedded.dtype == rounded
    np.testing.assert_array_equal(embedded[:ROWS], rows * jnp.asarray(7.25, rounded))


def test_only_powers_of_two_can_be_chosen_from():
    assert [number for number in range(1, 20) if can_choose(number)] == [1, 2, 4, 8, 16]
