"""The layers of the frame model.

Letters in shapes, throughout this package: B rows, L levels, D width, E width of a conditioning,
H heads, K head width, S places of a cache. Source of every numeric rule: the Magenta RealTime 2
spec, sections 3, 4 and 10. Weights are cast to the activation type at each use.
"""

import functools
import math
import operator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from soundstage.stages.attention import HIDDEN, KeysValues, matmul
from soundstage.stages.depthformer.layers import EPSILON
from soundstage.stages.magenta_rt2.config import StackConfig

# Softplus of the initial scale, 0, times this is 1.
SOFTPLUS_UNIT = 1.442695041


class CachePlaces(NamedTuple):
    """The places of a cache that a step sees, and the place that it writes.

    Attributes:
        bias: float32 [B, 1, 1, S], `HIDDEN` for places that a row does not see.
        position: int32 [B]; where this step's key and value go.
        exists: bool [B]; False = the row has no such step, and zeros are written. None = all have.
    """

    bias: jax.Array
    position: jax.Array
    exists: jax.Array | None = None


def dense(x: jax.Array, kernel: jax.Array, bias: jax.Array | None = None) -> jax.Array:
    """Multiplies [B, in] by a kernel [in, ...], in the type of x; returns [B, out]."""
    y = matmul(x, kernel.reshape(kernel.shape[0], -1))
    return y if bias is None else y + bias.astype(x.dtype)[None]


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
    """x / sqrt(mean(x^2) + 1e-6) * scale; statistics in float32."""

    def __init__(self, width: int) -> None:
        self.scale = nnx.Param(jnp.ones(width, jnp.float32))

    def __call__(self, x: jax.Array) -> jax.Array:
        """Normalises [B, D], in the type of x."""
        wide = x.astype(jnp.float32)
        mean_square = jnp.mean(jnp.square(wide), axis=-1, keepdims=True)
        normed = (wide * jax.lax.rsqrt(mean_square + EPSILON)).astype(x.dtype)
        return normed * self.scale[...].astype(x.dtype)[None]


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
        return (normed * scale[None] + bias[None]).astype(x.dtype)


class SinkAttention(nnx.Module):
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
        self, x: jax.Array, source: jax.Array, cache: KeysValues, places: CachePlaces
    ) -> tuple[jax.Array, KeysValues]:
        """Attends from one step to the places of a cache and to itself.

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
        mixed = self._mixed(query, cache, KeysValues(key, value), places.bias)
        return mixed, KeysValues(
            write_place(cache.keys, key, places), write_place(cache.values, value, places)
        )

    def _mixed(
        self, query: jax.Array, cache: KeysValues, own: KeysValues, bias: jax.Array
    ) -> jax.Array:
        rows, heads, _, head = query.shape
        scale = jax.nn.softplus(self.per_dim_scale[...].astype(jnp.float32))
        scale = (SOFTPLUS_UNIT / math.sqrt(head) * scale).astype(query.dtype)
        scaled = query * scale[None, None, None]
        nothing = jnp.zeros((1, 1, 1, 1), jnp.float32)
        parts = [(scaled, cache, bias), (scaled, own, nothing)]
        if self.sinks:
            # The queries of the sinks' scores are not scaled.
            parts.append((query, self._sinks(rows, query.dtype), nothing))
        scores = [_scores(given, seen.keys) + hidden for given, seen, hidden in parts]
        weights = jax.nn.softmax(jnp.concatenate(scores, axis=-1), axis=-1).astype(query.dtype)
        cuts = np.cumsum([part.shape[-1] for part in scores])[:-1].tolist()
        shares = jnp.split(weights, cuts, axis=-1)
        both = zip(shares, parts, strict=True)
        mixed = [_mix(share, seen.values) for share, (_, seen, _) in both]
        return functools.reduce(operator.add, mixed).reshape(rows, heads * head)

    def _sinks(self, rows: int, dtype: jnp.dtype) -> KeysValues:
        def of(array: jax.Array) -> jax.Array:  # [sink, H, K] -> [B, H, sink, K]
            apart = array.astype(dtype).transpose(1, 0, 2)[None]
            return jnp.broadcast_to(apart, (rows, *apart.shape[1:]))

        return KeysValues(of(self.sink_key_embeddings[...]), of(self.sink_value_embeddings[...]))


def _scores(query: jax.Array, keys: jax.Array) -> jax.Array:
    highest = jax.lax.Precision.HIGHEST
    return jnp.einsum("bhqk,bhsk->bhqs", query, keys, precision=highest).astype(jnp.float32)


def _mix(shares: jax.Array, values: jax.Array) -> jax.Array:
    highest = jax.lax.Precision.HIGHEST
    return jnp.einsum("bhqs,bhsk->bhqk", shares, values, precision=highest)


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
        self.attention = SinkAttention(
            config.dim, source or config.dim, config.heads, config.head, sinks
        )
        self.output_projection = Kernel(config.dim, config.heads, config.head)
        self.post_norm = RmsNorm(config.dim)

    def __call__(
        self, x: jax.Array, source: jax.Array | None, cache: KeysValues, places: CachePlaces
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


def write_place(cache: jax.Array, new: jax.Array, places: CachePlaces) -> jax.Array:
    """Writes one place of every row.

    Args:
        cache: [B, H, S, K].
        new: [B, H, 1, K].
        places: the positions, in [0, S).
    """
    if places.exists is not None:
        new = jnp.where(places.exists[:, None, None, None], new, jnp.zeros_like(new))
    if cache.shape[0] == 1:
        return jax.lax.dynamic_update_slice(cache, new, (0, 0, places.position[0], 0))
    return jax.vmap(
        lambda row, added, place: jax.lax.dynamic_update_slice(row, added, (0, place, 0))
    )(cache, new, places.position)


def ring_places(step: jax.Array, earlier: jax.Array, window: int) -> CachePlaces:
    """Returns the places of a cache that keeps the last steps in a ring.

    Args:
        step: int32 [B]; the step's number, or that plus any multiple of `window`.
        earlier: int32 [B]; earlier steps that exist, or any larger number; negative = the row does
            not have this step.
        window: places of the ring.
    """
    position = step % window
    age = (position[:, None] - 1 - jnp.arange(window)[None]) % window  # 0 = the step before
    bias = jnp.where(age < earlier[:, None], 0.0, HIDDEN)
    return CachePlaces(bias[:, None, None].astype(jnp.float32), position, earlier >= 0)
