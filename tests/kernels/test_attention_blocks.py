"""Attention in blocks: right, and the same bytes for any other queries and threads."""

import numpy as np
import pytest

pytest.importorskip("numba", reason="the extra `cpu` is not installed")

from soundstage.kernels.attention_blocks import QUERIES, attend_blocks, empty_panels
from soundstage.kernels.team import Team

HEADS, WIDTH, TIME = 3, 20, 2 * QUERIES + 7
HIDDEN = np.float32(-1e10)
EVERYWHERE = np.empty((0, 0, 0), np.float32)


def drawn(*shape):
    return np.random.default_rng(len(shape)).standard_normal(shape).astype(np.float32)


def mixed(query, keys, values, relative_bias, key_bias, threads=1):
    made = np.zeros((len(query), HEADS * WIDTH), np.float32)
    panels = empty_panels(HEADS, WIDTH, len(key_bias) + 3)
    arrays = (query, keys, values, relative_bias, key_bias, panels, made)
    Team(threads)(lambda member: attend_blocks(member, *arrays))
    return made


def right(query, keys, values, bias):
    """The same by NumPy in float64, with a bias [H or 1, T, S]."""
    split = query[:, : HEADS * WIDTH].reshape(len(query), HEADS, WIDTH).astype(np.float64)
    scores = np.einsum("thk,hsk->hts", split, keys) + bias
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    return np.einsum("hts,hsk->thk", weights, values).reshape(len(query), -1)


def test_all_keys_are_seen_but_hidden_ones():
    query = drawn(TIME, 3 * HEADS * WIDTH)
    keys, values = drawn(HEADS, TIME + 5, WIDTH), 2 * drawn(HEADS, TIME + 5, WIDTH)
    key_bias = np.where(np.arange(TIME) % 5, 0, HIDDEN).astype(np.float32)
    made = mixed(query, keys, values, EVERYWHERE, key_bias)
    expected = right(query, keys[:, :TIME], values[:, :TIME], key_bias[None, None])
    np.testing.assert_allclose(made, expected, atol=2e-5)


def test_a_bias_that_hides_later_keys_is_added():
    query, keys, values = drawn(TIME, HEADS * WIDTH), *2 * [drawn(HEADS, TIME, WIDTH)]
    later = np.arange(TIME)[:, None] < np.arange(TIME)
    bias = np.where(later, HIDDEN, drawn(HEADS, TIME, TIME)).astype(np.float32)
    key_bias = np.where(np.arange(TIME) < 3, HIDDEN, 0).astype(np.float32)
    made = mixed(query, keys, values, bias, key_bias)
    expected = right(query, keys, values, bias + key_bias)
    np.testing.assert_allclose(made[3:], expected[3:], atol=2e-5)  # the first ones see nothing


def test_a_query_has_the_same_bytes_beside_any_others_and_on_any_threads():
    query, keys, values = drawn(TIME, HEADS * WIDTH), *2 * [drawn(HEADS, TIME, WIDTH)]
    bias = np.where(np.tri(TIME, dtype=bool), 0, HIDDEN).astype(np.float32)[None].repeat(HEADS, 0)
    key_bias = np.zeros(TIME, np.float32)
    for relative in (EVERYWHERE, bias):
        whole = mixed(query, keys, values, relative, key_bias)
        for threads in (2, 3, 5):
            together = mixed(query, keys, values, relative, key_bias, threads)
            np.testing.assert_array_equal(together, whole)
        few = mixed(query[: QUERIES + 2], keys, values, relative, key_bias)
        np.testing.assert_array_equal(few, whole[: QUERIES + 2])
