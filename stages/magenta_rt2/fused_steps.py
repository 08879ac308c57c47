"""A step of each stack by fused kernels: the numbers of its modules, rounded elsewhere."""

from __future__ import annotations

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp

from soundstage.kernels import fused, fused_attention
from soundstage.stages.depthformer.layers import KeysValues
from soundstage.stages.magenta_rt2.config import MagentaRt2Config
from soundstage.stages.magenta_rt2.layers import (
    SOFTPLUS_UNIT,
    AttentionBlock,
    CachePlaces,
    FeedForward,
    Kernel,
    SinkAttention,
    dense,
    ring_places,
)
from soundstage.stages.magenta_rt2.model import LayerCache, MagentaRt2
from soundstage.stages.magenta_rt2.steps import FrameSteps


def check_widths(config: MagentaRt2Config) -> None:
    """Refuses sizes that these kernels cannot divide.

    Raises:
        ValueError: names the size.
    """
    for name, stack in (("temporal", config.temporal), ("depth", config.depth)):
        fused.check_width(f"{name}.dim", stack.dim)
        fused.check_width(f"{name}.ffn", stack.ffn)
        fused.check_width(f"{name}.head", stack.head)
        if stack.head & (stack.head - 1):
            raise ValueError(f"{name}.head = {stack.head} must be a power of 2 for fused products")


@dataclass(frozen=True)
class FusedFrameSteps(FrameSteps):
    """Steps of few kernels, for GPUs.

    Attributes:
        interpret: whether the kernels are interpreted, on a processor.
    """

    interpret: bool = False

    def temporal(
        self,
        model: MagentaRt2,
        x: jax.Array,
        embedding: jax.Array,
        caches: tuple[LayerCache, ...],
        places: tuple[jax.Array, jax.Array],
        earlier: jax.Array,
    ) -> tuple[jax.Array, tuple[LayerCache, ...]]:
        """Runs the layers over frames for one frame."""
        config = model.config
        own = ring_places(places[0], earlier, config.window_self)
        seen = ring_places(places[1], earlier, config.window_cross)
        stream, source = _BlockStream(x, self.interpret), _padded(embedding)
        kept = []
        for layer, cache in zip(model.temporal_body.layers, caches, strict=True):
            block = stream.attend(layer.self_attention, None, cache.own, own)
            other = stream.attend(layer.cross_attention, source, cache.conditioning, seen)
            stream.feed_forward(layer.ffn)
            kept.append(LayerCache(block, other))
        return stream.result(), tuple(kept)

    def depth(
        self, model: MagentaRt2, x: jax.Array, caches: list[KeysValues], level: jax.Array
    ) -> tuple[jax.Array, list[KeysValues]]:
        """Runs the layers over levels for one level."""
        body = model.depth_body
        y = x if body.depth_input_adapter is None else body.depth_input_adapter(x)
        places = model.level_places(len(x), level)
        stream, kept = _BlockStream(y, self.interpret), []
        for layer, cache in zip(body.layers, caches, strict=True):
            kept.append(stream.attend(layer.self_attention, None, cache, places))
            stream.feed_forward(layer.ffn)
        return body.final_ln(stream.result()), kept


class _BlockStream:
    """The residual stream of one step, [R, D], to which the blocks of layers are added."""

    def __init__(self, x: jax.Array, interpret: bool) -> None:
        self._rows, self._interpret = len(x), interpret
        self._x = _padded(x)

    def result(self) -> jax.Array:
        """Returns the rows that are used, [B, D]."""
        return self._x[: self._rows]

    def attend(
        self,
        block: AttentionBlock,
        source: jax.Array | None,
        cache: KeysValues,
        places: CachePlaces,
    ) -> KeysValues:
        """Adds an attention block, and returns its cache with this step.

        Args:
            block: the block.
            source: [R, E], the source of this step's key and value; None = the stream.
            cache: [B, H, S, K].
            places: of the cache.
        """
        attention = block.attention
        own = [attention.query_projection]
        if source is None:
            own += [attention.key_projection, attention.value_projection]
        products = fused.norm_products(
            self._x,
            block.pre_norm.scale[...],
            [self._matrix(each) for each in own],
            interpret=self._interpret,
        )
        if source is not None:
            others = (attention.key_projection, attention.value_projection)
            products = [*products, *(dense(source, each.kernel[...]) for each in others)]
        query, key, value = products
        mixed, keys, values = fused_attention.attend_in_ring(
            query,
            key,
            value,
            _query_scale(attention.per_dim_scale[...]),
            cache.keys,
            cache.values,
            places.bias[:, :, 0],
            (places.position, _exists(places)),
            _sinks(attention),
            interpret=self._interpret,
        )
        kernel = block.output_projection.kernel[...]
        out = dense(mixed, kernel.reshape(kernel.shape[0], -1).T)
        self._x = self._x + block.post_norm(out)
        return KeysValues(keys, values)

    def feed_forward(self, ffn: FeedForward) -> None:
        """Adds a feed-forward block."""
        first = ffn.ffn_layer1
        if first.bias is None:
            raise TypeError("a feed-forward block has biases")
        inner = fused.norm_gelu(
            self._x,
            ffn.pre_norm.scale[...],
            self._matrix(first),
            first.bias[...],
            interpret=self._interpret,
        )
        self._x = self._x + ffn.post_norm(ffn.ffn_layer2(inner))

    def _matrix(self, kernel: Kernel) -> jax.Array:
        array = kernel.kernel[...]
        return array.reshape(array.shape[0], -1).astype(self._x.dtype)


def _padded(x: jax.Array) -> jax.Array:
    return jnp.pad(x, ((0, fused.padded_rows(len(x)) - len(x)), (0, 0)))


def _query_scale(per_dim_scale: jax.Array) -> jax.Array:
    scale = jax.nn.softplus(per_dim_scale.astype(jnp.float32))
    return SOFTPLUS_UNIT / math.sqrt(len(per_dim_scale)) * scale


def _exists(places: CachePlaces) -> jax.Array:
    if places.exists is None:
        return jnp.ones_like(places.position)
    return places.exists.astype(jnp.int32)


def _sinks(attention: SinkAttention) -> tuple[jax.Array, jax.Array] | None:
    if not attention.sinks:
        return None
    return attention.sink_key_embeddings[...], attention.sink_value_embeddings[...]
