"""The frame model of Magenta RealTime 2: a conditioning, layers over frames, layers over levels."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from soundstage.stages.attention import HIDDEN, KeysValues
from soundstage.stages.magenta_rt2.config import OFFSET, RESERVED, MagentaRt2Config
from soundstage.stages.magenta_rt2.layers import (
    AttentionBlock,
    CachePlaces,
    FeedForward,
    Kernel,
    LayerNorm,
    Table,
    dense,
    ring_places,
)


class LayerCache(NamedTuple):
    """The keys and values of earlier frames of one layer, a ring of window places.

    Attributes:
        own: of self-attention, [B, H, window_self, K].
        conditioning: of cross-attention, [B, H, window_cross, K].
    """

    own: KeysValues
    conditioning: KeysValues


class Conditioning(nnx.Module):
    """Embeds the numbers that condition a frame. Source: the spec, section 3."""

    def __init__(self, config: MagentaRt2Config) -> None:
        self.config = config
        self.styles = Table(config.style_levels * config.style_rows, config.style_dim)
        self.style_adapter = Kernel(config.style_dim, config.encoder_dim)
        self.places = Table(config.table_rows, config.encoder_dim)
        self.norm = LayerNorm(config.encoder_dim)

    def __call__(self, numbers: jax.Array) -> jax.Array:
        """Embeds raw numbers, int32 [B, numbers], -1 = masked, as [B, E]."""
        config, dtype = self.config, jnp.dtype(self.config.activation_dtype)
        rows = numbers + OFFSET
        style, others = rows[:, : config.style_levels], rows[:, config.style_levels :]
        starts = np.arange(config.style_levels, dtype=np.int32) * config.style_rows
        summed = self.styles(style + starts[None], dtype).sum(axis=1)
        starts = np.array(config.place_starts, np.int32)
        mean = self.places(others + starts[None], dtype).mean(axis=1)
        return self.norm((self.style_adapter(summed) + mean) / 2)


class FrameLayer(nnx.Module):
    """A layer over frames: self-attention, cross-attention to the conditionings, feed-forward."""

    def __init__(self, config: MagentaRt2Config) -> None:
        self.self_attention = AttentionBlock(config.temporal, None, config.sinks)
        self.cross_attention = AttentionBlock(config.temporal, config.encoder_dim, config.sinks)
        self.ffn = FeedForward(config.temporal)

    def __call__(
        self,
        x: jax.Array,
        embedding: jax.Array,
        cache: LayerCache,
        own: CachePlaces,
        conditioning: CachePlaces,
    ) -> tuple[jax.Array, LayerCache]:
        """Returns the output for one frame, [B, D], and the cache with this frame."""
        x, kept = self.self_attention(x, None, cache.own, own)
        x, seen = self.cross_attention(x, embedding, cache.conditioning, conditioning)
        return self.ffn(x), LayerCache(kept, seen)


class LevelLayer(nnx.Module):
    """A layer over the levels of a frame: self-attention without sinks, feed-forward."""

    def __init__(self, config: MagentaRt2Config) -> None:
        self.self_attention = AttentionBlock(config.depth, None, 0)
        self.ffn = FeedForward(config.depth)

    def __call__(
        self, x: jax.Array, cache: KeysValues, places: CachePlaces
    ) -> tuple[jax.Array, KeysValues]:
        """Returns the output for one level, [B, d], and the cache with this level."""
        x, cache = self.self_attention(x, None, cache, places)
        return self.ffn(x), cache


class FrameStack(nnx.Module):
    """The layers that run once a frame; no norm behind the last."""

    def __init__(self, config: MagentaRt2Config) -> None:
        self.layers = nnx.List([FrameLayer(config) for _ in range(config.temporal.layers)])


class LevelStack(nnx.Module):
    """The layers that run once a level, and the head."""

    def __init__(self, config: MagentaRt2Config) -> None:
        width, other = config.depth.dim, config.temporal.dim
        self.depth_input_adapter = Kernel(other, width) if other != width else None
        self.layers = nnx.List([LevelLayer(config) for _ in range(config.depth.layers)])
        self.final_ln = LayerNorm(width)
        self.to_logits = Kernel(width, config.ids, bias=True)


class MagentaRt2(nnx.Module):
    """The frame model. Source: the Magenta RealTime 2 spec.

    Args:
        config: the sizes.
    """

    def __init__(self, config: MagentaRt2Config) -> None:
        self.config = config
        self.encoder = Conditioning(config)
        self.decoder_embedding = Table(config.ids, config.temporal.dim)
        self.temporal_body = FrameStack(config)
        self.depth_body = LevelStack(config)

    @property
    def dtype(self) -> jnp.dtype:
        """The type of the activations."""
        return jnp.dtype(self.config.activation_dtype)

    def empty_caches(self, rows: int) -> tuple[LayerCache, ...]:
        """Returns the caches of streams that have no frame yet, one entry a temporal layer."""
        config = self.config

        def zeros(window: int) -> KeysValues:
            shape = (rows, config.temporal.heads, window, config.temporal.head)
            return KeysValues(jnp.zeros(shape, self.dtype), jnp.zeros(shape, self.dtype))

        return tuple(
            LayerCache(zeros(config.window_self), zeros(config.window_cross))
            for _ in range(config.temporal.layers)
        )

    def embed(self, ids: jax.Array) -> jax.Array:
        """Embeds ids, int32 [...] -> [..., D]."""
        scale = jnp.asarray(math.sqrt(self.config.temporal.dim), self.dtype)
        return scale * self.decoder_embedding(ids, self.dtype)

    def temporal(
        self,
        x: jax.Array,
        embedding: jax.Array,
        caches: tuple[LayerCache, ...],
        places: tuple[jax.Array, jax.Array],
        earlier: jax.Array,
    ) -> tuple[jax.Array, tuple[LayerCache, ...]]:
        """Runs the layers over frames for one frame.

        Args:
            x: [B, D], the mean embedding of the frame before.
            embedding: [B, E], the embedded conditioning of this frame.
            caches: of the frames before, one entry a layer.
            places: int32 [B] twice; the step's number in the rings of self-attention and of
                cross-attention.
            earlier: int32 [B]; earlier steps that exist, or any larger number; negative = the
                row does not have this step.

        Returns:
            [B, D], and the caches with this frame.
        """
        config = self.config
        own = ring_places(places[0], earlier, config.window_self)
        seen = ring_places(places[1], earlier, config.window_cross)
        kept = []
        for layer, cache in zip(self.temporal_body.layers, caches, strict=True):
            x, cache = layer(x, embedding, cache, own, seen)
            kept.append(cache)
        return x, tuple(kept)

    def empty_levels(self, rows: int) -> list[KeysValues]:
        """Returns the caches of the layers over levels, at the start of a frame."""
        depth = self.config.depth
        zeros = jnp.zeros((rows, depth.heads, self.config.levels, depth.head), self.dtype)
        return [KeysValues(zeros, zeros) for _ in self.depth_body.layers]

    def level_places(self, rows: int, level: jax.Array) -> CachePlaces:
        """Returns the places of the caches of a level, int32 scalar: it sees those before it."""
        seen = jnp.where(jnp.arange(self.config.levels) < level, 0.0, HIDDEN)
        position = jnp.full(rows, level, jnp.int32)
        return CachePlaces(seen[None, None, None].astype(jnp.float32), position)

    def depth(
        self, x: jax.Array, caches: list[KeysValues], level: jax.Array
    ) -> tuple[jax.Array, list[KeysValues]]:
        """Runs the layers over levels for one level.

        Args:
            x: [B, D], the temporal output, or behind level 0 the embedding of the id before.
            caches: of the levels before, one entry a layer.
            level: int32 scalar.

        Returns:
            [B, d], the input of the head, and the caches with this level.
        """
        body = self.depth_body
        y = x if body.depth_input_adapter is None else body.depth_input_adapter(x)
        places = self.level_places(len(x), level)
        kept = []
        for layer, cache in zip(body.layers, caches, strict=True):
            y, cache = layer(y, cache, places)
            kept.append(cache)
        return body.final_ln(y), kept

    def level_heads(self) -> tuple[jax.Array, jax.Array]:
        """Returns the head by level: kernels [L, d, codes] and biases [L, codes]."""
        config, head = self.config, self.depth_body.to_logits
        if head.bias is None:
            raise TypeError("the head has a bias")
        kernel = head.kernel[...][:, RESERVED:].reshape(-1, config.levels, config.codes)
        return kernel.transpose(1, 0, 2), head.bias[...][RESERVED:].reshape(config.levels, -1)

    def capped(self, raw: jax.Array) -> jax.Array:
        """Limits raw logits softly; returns float32."""
        cap = self.config.logit_cap
        return cap * jnp.tanh(raw.astype(jnp.float32) / cap)

    def level_logits(self, y: jax.Array, kernel: jax.Array, bias: jax.Array) -> jax.Array:
        """Computes the logits of a level's own codes, float32 [B, codes]."""
        return self.capped(dense(y, kernel, bias))
