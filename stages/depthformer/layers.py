"""The layers that the encoder and both decoders are made of.

Letters in shapes, throughout this package: B rows, T frames, L levels, S prompt tokens, D width,
H heads, K head width, V vocabulary. Source of every numeric rule: the Depthformer numerics spec,
"Types". Weights are cast to the activation type at each use, so they may be kept in either.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from soundstage.stages.attention import HIDDEN, KeysValues, matmul
from soundstage.stages.depthformer.config import DepthformerConfig

EPSILON = 1e-6
# The most scores of a row, [H, T, time], that CPUs compute for all heads at once.
SCORES_AT_ONCE = 1 << 22


class Linear(nnx.Module):
    """A matrix without bias, `kernel` [in, out]."""

    def __init__(
        self, inner: int, outer: int, rngs: nnx.Rngs, *, deviation: float | None = None
    ) -> None:
        deviation = 1 / math.sqrt(inner) if deviation is None else deviation
        self.kernel = nnx.Param(deviation * jax.random.normal(rngs.params(), (inner, outer)))

    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps [..., in] to [..., out], in the type of x."""
        return matmul(x, self.kernel[...])


class Norm(nnx.Module):
    """RMS norm with statistics in float32, rounded to the activation type before the scale."""

    def __init__(self, config: DepthformerConfig) -> None:
        self.dtype = jnp.dtype(config.activation_dtype)
        self.scale = nnx.Param(jnp.ones(config.embed_dim, jnp.float32))

    def __call__(self, x: jax.Array) -> jax.Array:
        """Normalises [B, T, D] of any float type to [B, T, D] in the activation type."""
        x = x.astype(jnp.float32)
        mean_square = jnp.mean(jnp.square(x), axis=-1, keepdims=True)
        normed = (x * jax.lax.rsqrt(mean_square + EPSILON)).astype(self.dtype)
        return normed * self.scale[...].astype(self.dtype)[None, None]


class Mlp(nnx.Module):
    """A gated MLP: wo(gelu(wi_0 x) * wi_1 x), gelu in its tanh form."""

    def __init__(self, config: DepthformerConfig, rngs: nnx.Rngs) -> None:
        self.wi_0 = Linear(config.embed_dim, config.mlp_dim, rngs)
        self.wi_1 = Linear(config.embed_dim, config.mlp_dim, rngs)
        self.wo = Linear(config.mlp_dim, config.embed_dim, rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps [B, T, D] to [B, T, D]."""
        return self.wo(jax.nn.gelu(self.wi_0(x), approximate=True) * self.wi_1(x))


class Attention(nnx.Module):
    """Multi-head attention; the initial weights of queries are scaled instead of the queries."""

    def __init__(self, config: DepthformerConfig, rngs: nnx.Rngs) -> None:
        width, inner = config.embed_dim, config.num_heads * config.head_dim
        self.heads = config.num_heads
        query_deviation = 1 / math.sqrt(width * config.head_dim)
        self.query = Linear(width, inner, rngs, deviation=query_deviation)
        self.key = Linear(width, inner, rngs)
        self.value = Linear(width, inner, rngs)
        self.out = Linear(inner, width, rngs)

    def keys_values(self, x: jax.Array) -> KeysValues:
        """Returns the keys and values of [B, T, D], one entry a position."""
        return KeysValues(self._split(self.key(x)), self._split(self.value(x)))

    def __call__(self, x: jax.Array, seen: KeysValues, bias: jax.Array) -> jax.Array:
        """Attends from every position of x.

        Args:
            x: [B, T, D], the source of the queries.
            seen: keys and values of `time` positions.
            bias: broadcastable to [B, H, T, time], added to the scores; `HIDDEN` hides.

        Returns:
            [B, T, D].
        """
        mixed = attend(self._split(self.query(x)), seen, bias)
        B, H, T, K = mixed.shape
        return self.out(mixed.transpose(0, 2, 1, 3).reshape(B, T, H * K))

    def _split(self, x: jax.Array) -> jax.Array:
        B, T, _ = x.shape
        return x.reshape(B, T, self.heads, -1).transpose(0, 2, 1, 3)  # [B, H, T, K]


def attend(query: jax.Array, seen: KeysValues, bias: jax.Array) -> jax.Array:
    """Returns the mean of the values, weighted by the softmax of the scores.

    Args:
        query: [B, H, T, K].
        seen: keys and values of `time` positions.
        bias: broadcastable to [B, H, T, time], added to the scores.

    Returns:
        [B, H, T, K]. On a CPU the form depends on the number of scores of a row, not on B.
    """
    _, H, T, _ = query.shape
    # In bfloat16, XLA's program for all heads rounds less often than the one for single heads.
    if H * T * seen.keys.shape[2] <= SCORES_AT_ONCE or query.dtype != jnp.float32:
        return attend_at_once(query, seen, bias)
    return jax.lax.platform_dependent(
        query, seen, bias, cpu=attend_by_heads, default=attend_at_once
    )


def attend_at_once(query: jax.Array, seen: KeysValues, bias: jax.Array) -> jax.Array:
    """Does what `attend` does, for all heads at once."""
    highest = jax.lax.Precision.HIGHEST
    scores = jnp.einsum("bhtk,bhsk->bhts", query, seen.keys, precision=highest)
    weights = jax.nn.softmax(scores + bias, axis=-1)
    return jnp.einsum("bhts,bhsk->bhtk", weights, seen.values, precision=highest)


def attend_by_heads(query: jax.Array, seen: KeysValues, bias: jax.Array) -> jax.Array:
    """Does what `attend` does, one head after another: its scores stay in the caches."""
    B, _, T, time = bias.shape
    bias = jnp.broadcast_to(bias, (B, query.shape[1], T, time))
    heads = jax.tree.map(lambda part: jnp.swapaxes(part, 0, 1)[:, :, None], (query, seen, bias))
    return jnp.swapaxes(jax.lax.map(lambda head: attend_at_once(*head), heads)[:, :, 0], 0, 1)


class RelativeBias(nnx.Module):
    """A learned attention bias by distance to the past, shared by the layers of a decoder.

    Source: the Depthformer spec, "Depth decoder"; the largest distance is the number of buckets.
    """

    def __init__(self, config: DepthformerConfig, buckets: int, rngs: nnx.Rngs) -> None:
        self.dtype = jnp.dtype(config.activation_dtype)
        shape = (config.num_heads, buckets)
        self.rel_embedding = nnx.Param(jax.random.normal(rngs.params(), shape))

    def __call__(self, time: int) -> jax.Array:
        """Returns the bias [1, H, time, time] of queries on keys, which hides the future."""
        table = self.rel_embedding[...].astype(self.dtype)
        distance = np.arange(time)[:, None] - np.arange(time)  # [query, key]
        bias = table[:, distance_buckets(np.maximum(distance, 0), table.shape[1])]
        hidden = jnp.asarray(HIDDEN, self.dtype)
        return jnp.where((distance >= 0)[None], bias, hidden)[None]


def distance_buckets(distance: np.ndarray, buckets: int) -> np.ndarray:
    """Returns the bucket of each distance >= 0: linear in the lower half, then logarithmic."""
    exact = buckets // 2
    far = np.log(np.maximum(distance, exact) / exact) / np.log(buckets / exact)
    far = exact + np.floor(far * (buckets - exact)).astype(np.int64)
    return np.where(distance < exact, distance, np.minimum(far, buckets - 1))
