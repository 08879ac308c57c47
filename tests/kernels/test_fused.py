"""Fused kernels, interpreted on a processor, compute what their parts compute one by one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from soundstage.kernels import fused, fused_attention

ROWS, WIDTH, OUTPUTS = 16, 48, 32
USED, HEADS, TIME, HEAD = 3, 2, 13, 16
# Sums of another order, and values that are rounded to 8 bits at other moments.
TOLERANCES = {"float32": 2e-6, "bfloat16": 2e-2}
pytestmark = pytest.mark.parametrize("dtype", TOLERANCES)


def arrays(dtype, *shapes):
    draw = np.random.default_rng(0)
    return [jnp.asarray(draw.standard_normal(shape) / 4, dtype) for shape in shapes]


def close(found, expected, dtype):
    difference = np.float32(found) - np.float32(expected)
    assert np.abs(difference).max() <= TOLERANCES[dtype]


def normed(x, scale):
    mean = jnp.mean(jnp.square(x), axis=-1, keepdims=True)
    return (x * jax.lax.rsqrt(mean + 1e-6)).astype(scale.dtype) * scale[None]


def test_products_of_normalised_rows(dtype):
    (x,) = arrays("float32", (ROWS, WIDTH))
    scale, *kernels = arrays(dtype, (WIDTH,), *[(WIDTH, OUTPUTS)] * 3)
    found = fused.norm_products(x, scale, kernels, interpret=True)
    for one, kernel in zip(found, kernels, strict=True):
        assert one.dtype == dtype
        close(one, normed(x, scale) @ kernel, dtype)


def test_products_of_normalised_rows_and_of_another_source(dtype):
    (x,) = arrays("float32", (ROWS, WIDTH))
    scale, kernel, source, *others = arrays(
        dtype, (WIDTH,), (WIDTH, OUTPUTS), (ROWS, 32), (32, OUTPUTS), (32, OUTPUTS)
    )
    query, *found = fused.norm_and_source_products(x, scale, kernel, source, others, interpret=True)
    close(query, normed(x, scale) @ kernel, dtype)
    for one, other in zip(found, others, strict=True):
        assert one.dtype == dtype
        close(one, source @ other, dtype)


def test_product_of_rows_as_they_are(dtype):
    x, kernel = arrays(dtype, (ROWS, WIDTH), (WIDTH, OUTPUTS))
    found = fused.product(x, kernel, interpret=True)
    assert found.dtype == dtype
    close(found, x @ kernel, dtype)


def test_logits_of_a_level_are_float32_products_of_rounded_rows(dtype):
    (x,) = arrays("float32", (ROWS, WIDTH))
    (scale,) = arrays(dtype, (WIDTH,))
    (heads,) = arrays("float32", (4, WIDTH, OUTPUTS))
    rounded, level = jnp.dtype(dtype), jnp.int32(2)
    found = fused.norm_logits(x, scale, heads, level, rounded, interpret=True)
    assert found.dtype == "float32"
    close(found, normed(x, scale).astype("float32") @ heads[2], dtype)


def test_gated_product_of_normalised_rows_and_its_sum(dtype):
    (x,) = arrays("float32", (ROWS, WIDTH))
    scale, gate, value, out = arrays(
        dtype, (WIDTH,), (WIDTH, OUTPUTS), (WIDTH, OUTPUTS), (OUTPUTS, WIDTH)
    )
    inner = normed(x, scale)
    expected = jax.nn.gelu(inner @ gate, approximate=True) * (inner @ value)
    gated = fused.norm_gated(x, scale, gate, value, interpret=True)
    close(gated, expected, dtype)
    added = fused.product_sum(gated, out, x, interpret=True)
    assert added.dtype == "float32"
    close(added, x + (gated @ out).astype("float32"), dtype)


def attention(query, keys, values, bias):
    """What attention computes, in float32, for the rows that are used."""
    query = query[:USED].reshape(USED, HEADS, HEAD).astype("float32")
    scores = jnp.einsum("bhk,bhtk->bht", query, keys.astype("float32")) + bias.astype("float32")
    mixed = jnp.einsum("bht,bhtk->bhk", jax.nn.softmax(scores), values.astype("float32"))
    return mixed.reshape(USED, HEADS * HEAD)


def test_attention_to_what_is_known_hides_by_the_bias(dtype):
    cache = (USED, HEADS, TIME, HEAD)
    query, keys, values = arrays(dtype, (ROWS, HEADS * HEAD), cache, cache)
    hidden = jnp.arange(TIME)[None] < jnp.array([[0], [4], [9]])  # another start for each row
    bias = jnp.where(hidden, -1e10, 0.0).astype(dtype)[:, None]
    mixed = fused_attention.attend(query, keys, values, bias, interpret=True)
    close(mixed[:USED], attention(query, keys, values, bias), dtype)


@pytest.mark.parametrize("position", [0, 7, TIME - 1])
def test_new_position_is_kept_and_those_after_it_may_hold_anything(dtype, position):
    row, cache = (ROWS, HEADS * HEAD), (USED, HEADS, TIME, HEAD)
    query, key, value, keys, values, bias = arrays(
        dtype, row, row, row, cache, cache, (1, HEADS, TIME)
    )
    later = (jnp.arange(TIME) >= position)[None, None, :, None]
    known = [jnp.where(later, jnp.nan, array) for array in (keys, values)]
    mixed, *kept = fused_attention.attend_and_keep(
        query, key, value, *known, bias, jnp.int32(position), interpret=True
    )
    for found, new, before in zip(kept, (key, value), (keys, values), strict=True):
        heads = new[:USED].reshape(USED, HEADS, HEAD)
        np.testing.assert_array_equal(found[:, :, position], heads)
        np.testing.assert_array_equal(found[:, :, :position], before[:, :, :position])
    seen = [array[:, :, : position + 1] for array in kept]
    close(mixed[:USED], attention(query, *seen, bias[:, :, : position + 1]), dtype)


@pytest.mark.parametrize("position", [0, 7])
def test_ring_without_bias_sees_the_places_before_the_new_one(dtype, position):
    row, cache = (ROWS, HEADS * HEAD), (USED, HEADS, TIME, HEAD)
    query, key, value, keys, values, scale = arrays(dtype, row, row, row, cache, cache, (HEAD,))
    later = (jnp.arange(TIME) >= position)[None, None, :, None]
    known = [jnp.where(later, jnp.nan, array) for array in (keys, values)]
    ring = jnp.full(USED, position, jnp.int32), jnp.ones(USED, jnp.int32)
    mixed, *kept = fused_attention.attend_in_ring(
        query, key, value, scale, *known, None, ring, None, unit=1.5, interpret=True
    )
    factor = 1.5 * jax.nn.softplus(scale.astype("float32")).astype(dtype)
    seen = [array[:, :, : position + 1] for array in kept]
    scaled = query * jnp.tile(factor.astype(dtype), HEADS)[None]
    nothing = jnp.zeros((1, 1, position + 1))
    close(mixed[:USED], attention(scaled, *seen, nothing), dtype)


def test_width_that_no_tile_divides_is_refused(dtype):
    with pytest.raises(ValueError, match="mlp_dim = 40 is no multiple of 16"):
        fused.check_width("mlp_dim", 40)
