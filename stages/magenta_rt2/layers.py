"""The layers of the frame model.

Letters in shapes, throughout this package: B rows, L levels, D width, E width of a conditioning,
H heads, K head width, S places of a cache. Source of every numeric rule: the Magenta RealTime 2
spec, sections 3, 4 and 10. Weights are cast to the activation type at each use.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from soundstage.stages.depthformer.layers import EPSILON, HIDDEN, KeysValues, matmul
from soundstage.stages.magenta_rt2.config import StackConfig

# Softplus of the initial scale, 0, times this is 1.
SOFTPLUS_UNIT = 1.442695041


class Places(NamedTuple):
    """The places of a cache that a step writes and sees.

    Attributes:
        position: int32 [B]; where this step's key and value go.
        bias: float32 [B, 1, 1, S], `HIDDEN` for places that a row does not see.
    """

    position: jax.Array
    bias: jax.Array


def dense(x: jax.Array, kernel: jax.Array, bias: jax.Array | None = None) -> jax.Array:
    """Multiplies [B, in] by a kernel [in, ...], in the type of x; returns [B, out]."""
    y = matmul(x, kernel.reshape(kernel.shape[0], -1))
    return y if bias is None else y + bias.astype(x.dtype)


class Kernel(nnx.Module):
    """A matrix, `kernel`, and a vector, `bias`, if there is one."""

    def __init__(self, *shape: int, bias: bool = False) -> None:
        self.kernel = nnx.Param(jnp.zeros(shape, jnp.float32))
        self.bias = nnx.Param(jnp.zeros(shape[1:], jnp.float32)) if bias else None

    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps [B, in] to [B, out], in the type of x."""
        return dense(x, self.kernel[...], None if self.bias is None else self.bias[...])


class Table(nnx.Module):
    """Rows that are looked up, `embedding`."""

    def __init__(self, rows: int, width: int) -> None:
        self.embedding = nnx.Param(jnp.zeros((rows, width), jnp.float32))

    def __call__(self, rows: jax.Array, dtype: jnp.dtype) -> jax.Array:
        """Looks up int32 [...] as [..., width]."""
        return self.embedding[...][rows].astype(dtype)


class RmsNorm(nnx.Module):
    """x / sqrt(mean(x^2) + 1e-6) * scale, in float32."""

    def __init__(self, width: int) -> None:
        self.scale = nnx.Param(jnp.ones(width, jnp.float32))

    def __call__(self, x: jax.Array) -> jax.Array:
        """Normalises [B, D], in the type of x."""
        wide = x.astype(jnp.float32)
        mean_square = jnp.mean(jnp.square(wide), axis=-1, keepdims=True)
        normed = wide * jax.lax.rsqrt(mean_square + EPSILON)
        return (normed * self.scale[...].astype(jnp.float32)).astype(x.dtype)


class LayerNorm(nnx.Module):
    """(x - mean) / sqrt(variance + 1e-6) * scale + bias, in float32."""

    def __init__(self, width: int) -> None:
        self.scale = nnx.Param(jnp.ones(width, jnp.float32))
        self.bias = nnx.Param(jnp.zeros(width, jnp.float32))

    def __call__(self, x: jax.Array) -> jax.Array:
        """Normalises [B, D], in the type of x."""
        wide = x.astype(jnp.float32)
        centred = wide - jnp.mean(wide, axis=-1, keepdims=True)
        variance = jnp.mean(jnp.square(centred), axis=-1, keepdims=True)
        normed = centred * jax.lax.rsqrt(variance + EPSILON)
        scale, bias = self.scale[...].astype(jnp.float32), self.bias[...].astype(jnp.float32)
        return (normed * scale + bias).astype(x.dtype)


class Attention(nnx.Module):
    """The projections of attention, the scale of its queries, and its sinks.

    Args:
        width: of the queries' input.
        source: width of the keys' and values' input.
        heads: their number.
        head: width of a head.
        sinks: learned places that every step sees.
    """

    def __init__(self, width: int, source: int, heads: int, head: int, sinks: int) -> None:
        self.query_projection = Kernel(width, heads, head)
        self.key_projection = Kernel(source, heads, head)
        self.value_projection = Kernel(source, heads, head)
        self.per_dim_scale = nnx.Param(jnp.zeros(head, jnp.float32))
        self.sinks = sinks
        if sinks:
            self.sink_key_embeddings = nnx.Param(jnp.zeros((sinks, heads, head), jnp.float32))
            self.sink_value_embeddings = nnx.Param(jnp.zeros((sinks, heads, head), jnp.float32))

    def __call__(
        self, x: jax.Array, source: jax.Array, cache: KeysValues, places: Places
    ) -> tuple[jax.Array, KeysValues]:
        """Attends from one step to the places of a cache, with this step's own added.

        Args:
            x: [B, D], the source of the queries.
            source: [B, D or E], the source of this step's key and value.
            cache: [B, H, S, K].
            places: of the cache.

        Returns:
            [B, H * K], and the cache with this step.
        """
        rows, heads, _, head = cache.keys.shape
        query, key, value = (
            kernel(given).reshape(rows, heads, 1, head)
            for kernel, given in (
                (self.query_projection, x),
                (self.key_projection, source),
                (self.value_projection, source),
            )
        )
        cache = KeysValues(
            write_place(cache.keys, key, places.position),
            write_place(cache.values, value, places.position),
        )
        return self._mixed(query, cache, places.bias), cache

    def _mixed(self, query: jax.Array, cache: KeysValues, bias: jax.Array) -> jax.Array:
        rows, heads, _, head = query.shape
        dtype, highest = query.dtype, jax.lax.Precision.HIGHEST
        scale = jax.nn.softplus(self.per_dim_scale[...].astype(jnp.float32))
        scaled = query * (SOFTPLUS_UNIT / math.sqrt(head) * scale).astype(dtype)
        scores = jnp.einsum("bhqk,bhsk->bhqs", scaled, cache.keys, precision=highest)
        scores = scores.astype(jnp.float32) + bias
        if self.sinks:
            # The queries of the sinks' scores are not scaled.
            keys = self.sink_key_embeddings[...].astype(dtype)
            sinks = jnp.einsum("bhqk,shk->bhqs", query, keys, precision=highest)
            scores = jnp.concatenate([sinks.astype(jnp.float32), scores], axis=-1)
        weights = jax.nn.softmax(scores, axis=-1).astype(dtype)
        mixed = jnp.einsum(
            "bhqs,bhsk->bhqk", weights[..., self.sinks :], cache.values, precision=highest
        )
        if self.sinks:
            values = self.sink_value_embeddings[...].astype(dtype)
            shares = weights[..., : self.sinks]
            mixed += jnp.einsum("bhqs,shk->bhqk", shares, values, precision=highest)
        return mixed.reshape(rows, heads * head)


class AttentionBlock(nnx.Module):
    """Attention between two norms: x + post(out(attention(pre(x)))).

    Args:
        config: the stack's sizes.
        source: width of the keys' and values' input; None = they come from x.
        sinks: learned places that every step sees.
    """

    def __init__(self, config: StackConfig, source: int | None, sinks: int) -> None:
        self.own_source = source is None
        self.pre_norm = RmsNorm(config.dim)
        self.attention = Attention(
            config.dim, source or config.dim, config.heads, config.head, sinks
        )
        self.output_projection = Kernel(config.dim, config.heads, config.head)
        self.post_norm = RmsNorm(config.dim)

    def __call__(
        self, x: jax.Array, source: jax.Array | None, cache: KeysValues, places: Places
    ) -> tuple[jax.Array, KeysValues]:
        """Returns the block's output for x, [B, D], and its cache with this step."""
        normed = self.pre_norm(x)
        given = normed if source is None else source
        mixed, cache = self.attention(normed, given, cache, places)
        kernel = self.output_projection.kernel[...]
        # [D, H, K]: the sum runs over the last two axes.
        out = matmul(mixed, kernel.reshape(kernel.shape[0], -1).T)
        return x + self.post_norm(out), cache


class FeedForward(nnx.Module):
    """x + post(gelu(pre(x) W1 + b1) W2 + b2), gelu in its tanh form."""

    def __init__(self, config: StackConfig) -> None:
        self.pre_norm = RmsNorm(config.dim)
        self.ffn_layer1 = Kernel(config.dim, config.ffn, bias=True)
        self.ffn_layer2 = Kernel(config.ffn, config.dim, bias=True)
        self.post_norm = RmsNorm(config.dim)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the block's output for x, [B, D]."""
        inner = jax.nn.gelu(self.ffn_layer1(self.pre_norm(x)), approximate=True)
        return x + self.post_norm(self.ffn_layer2(inner))


def write_place(cache: jax.Array, new: jax.Array, position: jax.Array) -> jax.Array:
    """Writes one place of every row.

    Args:
        cache: [B, H, S, K].
        new: [B, H, 1, K].
        position: int32 [B], in [0, S).
    """
    if cache.shape[0] == 1:
        return jax.lax.dynamic_update_slice(cache, new, (0, 0, position[0], 0))
    return jax.vmap(
        lambda row, added, place: jax.lax.dynamic_update_slice(row, added, (0, place, 0))
    )(cache, new, position)


def ring_places(frame: jax.Array, earlier: jax.Array, places: int) -> Places:
    """Returns the places of a cache that keeps the last steps in a ring.

    Args:
        frame: int32 [B], >= 0; the step's number, modulo any multiple of `places`.
        earlier: int32 [B], >= 0; earlier steps that exist, or any larger number.
        places: one more than the window.
    """
    position = frame % places
    age = (position[:, None] - jnp.arange(places)[None]) % places
    bias = jnp.where(age <= earlier[:, None], 0.0, HIDDEN)
    return Places(position, bias[:, None, None].astype(jnp.float32))
