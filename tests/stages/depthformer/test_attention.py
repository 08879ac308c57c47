"""Attention to long prompts, which CPUs compute head by head, against its definition."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from soundstage.graph.format import Format
from soundstage.stages.depthformer import layers
from soundstage.stages.depthformer.config import BASE, DEMO, LARGE, TINY
from soundstage.stages.depthformer.layers import (
    HIDDEN,
    SCORES_AT_ONCE,
    KeysValues,
    attend,
    attend_at_once,
    attend_by_heads,
)
from soundstage.stages.depthformer.vocabulary import Vocabulary

B, H, T, TIME, K = 2, 3, 37, 41, 16


def noise(seed, *shape):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape), jnp.float32)


def hidden_bias(*shape):
    return jnp.where(np.random.default_rng(3).random(shape) < 0.3, HIDDEN, 0.0)


QUERY = noise(0, B, H, T, K)
SEEN = KeysValues(noise(1, B, H, TIME, K), noise(2, B, H, TIME, K))


@pytest.mark.parametrize("shape", [(B, 1, 1, TIME), (1, H, T, TIME)])
def test_attention_by_heads_is_the_mean_by_softmax(shape):
    bias = hidden_bias(*shape)
    result = jax.jit(attend_by_heads)(QUERY, SEEN, bias)
    query, keys, values, added = (np.asarray(x, np.float64) for x in (QUERY, *SEEN, bias))
    scores = np.einsum("bhtk,bhsk->bhts", query, keys) + added
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    expected = np.einsum("bhts,bhsk->bhtk", weights, values)
    assert np.abs(result - expected).max() < 2e-6
    at_once = jax.jit(attend_at_once)(QUERY, SEEN, bias)
    np.testing.assert_allclose(result, at_once, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("platform", "dtype", "most", "loops"),
    [
        ("cpu", "float32", 1, 1),
        ("cpu", "float32", H * T * TIME, 0),
        ("cpu", "bfloat16", 1, 0),
        ("cuda", "float32", 1, 0),
    ],
)
def test_cpus_loop_over_heads_for_many_scores(monkeypatch, platform, dtype, most, loops):
    monkeypatch.setattr(layers, "SCORES_AT_ONCE", most)
    arguments = QUERY, SEEN, hidden_bias(B, 1, 1, TIME)
    arguments = jax.tree.map(lambda x: x.astype(dtype), arguments)
    traced = jax.jit(lambda *arguments: attend(*arguments)).trace(*arguments)
    program = traced.lower(lowering_platforms=(platform,)).as_text()
    assert program.count("stablehlo.while") == loops


def test_heads_are_apart_in_large_networks_and_at_once_in_small_ones():
    format = Format()
    context = np.zeros((1, format.dims["context_frame"], format.codec_levels), np.int64)
    style = np.zeros((1, format.style_levels), np.int64)
    length = Vocabulary.of(format).pack(context, style).shape[1]
    for config in (BASE, LARGE):
        assert config.num_heads * length**2 > SCORES_AT_ONCE
    for config in (TINY, DEMO):
        assert config.num_heads * length**2 <= SCORES_AT_ONCE
