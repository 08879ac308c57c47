"""A step of each stack by fused kernels: the numbers of its modules, rounded elsewhere."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from soundstage.kernels import fused, fused_attention, fused_choice
from soundstage.stages.attention import KeysValues
from soundstage.stages.magenta_rt2.choice import GUIDED_ROWS, FrameChoice, FrameSampling
from soundstage.stages.magenta_rt2.config import RESERVED, MagentaRt2Config
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
from soundstage.stages.magenta_rt2.steps import Choose, FrameSteps, LevelHead


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
    fused.check_width("encoder_dim", config.encoder_dim)


@dataclass(frozen=True)
class FusedFrameSteps(FrameSteps):
    """Steps of few kernels, for GPUs.

    Attributes:
        interpret: whether the kernels are interpreted, on a processor.
    """

    interpret: bool = False
    constant_levels: ClassVar[bool] = True

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
        stream = _BlockStream(x, len(x), self.interpret)
        source = _padded(embedding, len(x))
        kept = []
        for layer, cache in zip(model.temporal_body.layers, caches, strict=True):
            block = stream.attend(layer.self_attention, None, cache.own, own)
            other = stream.attend(layer.cross_attention, source, cache.conditioning, seen)
            stream.feed_forward(layer.ffn)
            kept.append(LayerCache(block, other))
        return stream.result(), tuple(kept)

    def empty_levels(self, model: MagentaRt2, rows: int) -> list[KeysValues]:
        """Returns caches that hold anything: nothing is read before it is written."""
        depth = model.config.depth
        shape = (rows, depth.heads, model.config.levels, depth.head)

        def empty() -> jax.Array:
            return jax.lax.empty(shape, model.dtype)

        return [KeysValues(empty(), empty()) for _ in model.depth_body.layers]

    def depth(
        self, model: MagentaRt2, x: jax.Array, caches: list[KeysValues], level: jax.Array
    ) -> tuple[jax.Array, list[KeysValues]]:
        """Runs the layers over levels for one level; x may have more rows than the caches."""
        body, rows = model.depth_body, len(caches[0].keys)
        y = _padded(x, rows)
        if body.depth_input_adapter is not None:
            adapter = body.depth_input_adapter.kernel[...].astype(y.dtype)
            y = fused.product(y, adapter, interpret=self.interpret)
        stream, kept = _BlockStream(y, rows, self.interpret), []
        position = jnp.full(rows, level, jnp.int32)
        for layer, cache in zip(body.layers, caches, strict=True):
            kept.append(stream.attend_before(layer.self_attention, cache, position))
            stream.feed_forward(layer.ffn)
        return body.final_ln(stream.result()), kept

    def choose(
        self, model: MagentaRt2, y: jax.Array, head: LevelHead, choose: Choose, noise: jax.Array
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Chooses the code of a level, by one kernel behind the head; appends rows."""
        config = model.config
        if not isinstance(choose, FrameChoice) or not fused_choice.can_choose(config.codes):
            return super().choose(model, y, head, choose, noise)
        raw = dense(y, head.kernel, head.bias)
        code, embedded = fused_choice.choose_and_embed(
            raw,
            noise,
            head.level,
            _settings(choose.sampling),
            fused_choice.CodeEmbedding(
                model.decoder_embedding.embedding[...],
                RESERVED,
                model.dtype,
                model.dtype,
                fused.padded_rows(len(y)),
                math.sqrt(config.temporal.dim),
            ),
            cap=config.logit_cap,
            interpret=self.interpret,
        )
        code = code if choose.sampling.guidance is None else jnp.tile(code, GUIDED_ROWS)
        return model.capped(raw), code, embedded


class _BlockStream:
    """The residual stream of one step, [R, D], to which the blocks of layers are added.

    Args:
        x: [B or R, D].
        rows: B, how many of its rows are used.
        interpret: whether the kernels are interpreted, on a processor.
    """

    def __init__(self, x: jax.Array, rows: int, interpret: bool) -> None:
        self._rows, self._interpret = rows, interpret
        self._x = _padded(x, rows)

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
        ring = (places.position, _exists(places))
        return self._attend(block, source, cache, places.bias[:, :, 0], ring)

    def attend_before(
        self, block: AttentionBlock, cache: KeysValues, position: jax.Array
    ) -> KeysValues:
        """Adds an attention block, and returns its cache with this step.

        Args:
            block: the block, whose keys and values come from the stream.
            cache: [B, H, S, K]; places from the new one on may hold anything.
            position: int32 [B], the new place.
        """
        ring = (position, jnp.ones_like(position))
        return self._attend(block, None, cache, None, ring)

    def _attend(
        self,
        block: AttentionBlock,
        source: jax.Array | None,
        cache: KeysValues,
        bias: jax.Array | None,
        ring: tuple[jax.Array, jax.Array],
    ) -> KeysValues:
        attention = block.attention
        query, key, value = self._projections(block, source)
        mixed, keys, values = fused_attention.attend_in_ring(
            query,
            key,
            value,
            attention.per_dim_scale[...],
            cache.keys,
            cache.values,
            bias,
            ring,
            _sinks(attention),
            unit=SOFTPLUS_UNIT / math.sqrt(cache.keys.shape[-1]),
            interpret=self._interpret,
        )
        kernel = block.output_projection.kernel[...]
        out = dense(mixed, kernel.reshape(kernel.shape[0], -1).T)
        self._x = self._x + block.post_norm(out)
        return KeysValues(keys, values)

    def _projections(self, block: AttentionBlock, source: jax.Array | None) -> list[jax.Array]:
        attention, scale = block.attention, block.pre_norm.scale[...]
        query, key, value = (
            self._matrix(each)
            for each in (
                attention.query_projection,
                attention.key_projection,
                attention.value_projection,
            )
        )
        if source is None:
            three = [query, key, value]
            return fused.norm_products(self._x, scale, three, interpret=self._interpret)
        return fused.norm_and_source_products(
            self._x, scale, query, source, [key, value], interpret=self._interpret
        )

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


def _padded(x: jax.Array, rows: int) -> jax.Array:
    """Appends rows of zeros to [B, D], as many as the kernels want; [R, D] has them already."""
    more = fused.padded_rows(rows) - rows
    return jnp.pad(x, ((0, more), (0, 0))) if len(x) == rows else x


def _settings(sampling: FrameSampling) -> fused_choice.ChoiceSettings:
    return fused_choice.ChoiceSettings(
        sampling.temperature,
        sampling.top_k,
        [] if sampling.guidance is None else list(sampling.guidance),
        sampling.top_p,
        sampling.min_p,
    )


def _exists(places: CachePlaces) -> jax.Array:
    if places.exists is None:
        return jnp.ones_like(places.position)
    return places.exists.astype(jnp.int32)


def _sinks(attention: SinkAttention) -> tuple[jax.Array, jax.Array] | None:
    if not attention.sinks:
        return None
    return attention.sink_key_embeddings[...], attention.sink_value_embeddings[...]
