"""The two decoders: one runs once a frame, the other once a level inside the frame."""

import jax
import jax.numpy as jnp
from flax import nnx

from soundstage.stages.depthformer.config import DepthformerConfig
from soundstage.stages.depthformer.layers import (
    Attention,
    KeysValues,
    Linear,
    Mlp,
    Norm,
    RelativeBias,
    remembered,
)


class TemporalLayer(nnx.Module):
    """Causal self-attention, cross-attention to the encoder, MLP."""

    def __init__(self, config: DepthformerConfig, rngs: nnx.Rngs) -> None:
        self.pre_self_attention_layer_norm = Norm(config)
        self.self_attention = Attention(config, rngs)
        self.pre_cross_attention_layer_norm = Norm(config)
        self.encoder_decoder_attention = Attention(config, rngs)
        self.pre_mlp_layer_norm = Norm(config)
        self.mlp = Mlp(config, rngs)

    def __call__(
        self,
        x: jax.Array,
        cache: KeysValues,
        position: int | jax.Array,
        bias: jax.Array,
        prompt: KeysValues,
        prompt_bias: jax.Array,
    ) -> tuple[jax.Array, KeysValues]:
        """[B, T, D] float32 -> the same, and the cache that now holds these positions too."""
        normed = self.pre_self_attention_layer_norm(x)
        cache = remembered(cache, self.self_attention.keys_values(normed), position)
        x = x + self.self_attention(normed, cache, bias).astype(jnp.float32)
        normed = self.pre_cross_attention_layer_norm(x)
        seen = self.encoder_decoder_attention(normed, prompt, prompt_bias)
        x = x + seen.astype(jnp.float32)
        return x + self.mlp(self.pre_mlp_layer_norm(x)).astype(jnp.float32), cache


class TemporalDecoder(nnx.Module):
    """A causal stack over frames that also looks at the encoder; no norm at its end."""

    def __init__(self, config: DepthformerConfig, rngs: nnx.Rngs) -> None:
        self.layers = nnx.List(
            [TemporalLayer(config, rngs) for _ in range(config.num_temporal_layers)]
        )
        self.relpos_bias = RelativeBias(config, config.temporal_buckets, rngs)

    def look_at(self, encoded: jax.Array) -> list[KeysValues]:
        """Keys and values of the encoder's output [B, S, D] for every layer."""
        return [layer.encoder_decoder_attention.keys_values(encoded) for layer in self.layers]

    def __call__(
        self,
        x: jax.Array,
        caches: list[KeysValues],
        position: int | jax.Array,
        bias: jax.Array,
        prompt: list[KeysValues],
        prompt_bias: jax.Array,
    ) -> tuple[jax.Array, list[KeysValues]]:
        """Decodes the frames from `position` on.

        Args:
            x: float32 [B, T, D]; a whole chunk, or one frame.
            caches: keys and values of earlier frames, with room for these, one a layer.
            position: index of the first of these frames.
            bias: [1, H, T, time], these frames' rows of `relpos_bias`.
            prompt: `look_at` of the encoder's output.
            prompt_bias: [B, 1, 1, S], hides padding.

        Returns:
            float32 [B, T, D], and the caches that now hold these frames.
        """
        grown = []
        for layer, cache, seen in zip(self.layers, caches, prompt, strict=True):
            x, cache = layer(x, cache, position, bias, seen, prompt_bias)
            grown.append(cache)
        return x, grown


class DepthLayer(nnx.Module):
    """Causal self-attention, MLP."""

    def __init__(self, config: DepthformerConfig, rngs: nnx.Rngs) -> None:
        self.pre_self_attention_layer_norm = Norm(config)
        self.self_attention = Attention(config, rngs)
        self.pre_mlp_layer_norm = Norm(config)
        self.mlp = Mlp(config, rngs)

    def __call__(
        self, x: jax.Array, cache: KeysValues, position: int | jax.Array, bias: jax.Array
    ) -> tuple[jax.Array, KeysValues]:
        """[B, L, D] float32 -> the same, and the cache that now holds these positions too."""
        normed = self.pre_self_attention_layer_norm(x)
        cache = remembered(cache, self.self_attention.keys_values(normed), position)
        x = x + self.self_attention(normed, cache, bias).astype(jnp.float32)
        return x + self.mlp(self.pre_mlp_layer_norm(x)).astype(jnp.float32), cache


class DepthDecoder(nnx.Module):
    """A causal stack over the levels of one frame."""

    def __init__(self, config: DepthformerConfig, rngs: nnx.Rngs) -> None:
        self.depth_layers = nnx.List(
            [DepthLayer(config, rngs) for _ in range(config.num_depth_layers)]
        )
        self.relpos_bias_depth = RelativeBias(config, config.depth_buckets, rngs)

    def __call__(
        self,
        x: jax.Array,
        caches: list[KeysValues],
        position: int | jax.Array,
        bias: jax.Array,
    ) -> tuple[jax.Array, list[KeysValues]]:
        """Decodes the levels from `position` on.

        Args:
            x: float32 [B, L, D]; all levels of a frame, or one.
            caches: keys and values of earlier levels, with room for these, one a layer.
            position: index of the first of these levels.
            bias: [1, H, L, time], these levels' rows of `relpos_bias_depth`.

        Returns:
            float32 [B, L, D], and the caches that now hold these levels.
        """
        grown = []
        for layer, cache in zip(self.depth_layers, caches, strict=True):
            x, cache = layer(x, cache, position, bias)
            grown.append(cache)
        return x, grown


class Decoder(nnx.Module):
    """Both decoders, the last norm and the head, which is not tied to the embedding."""

    def __init__(self, config: DepthformerConfig, rngs: nnx.Rngs) -> None:
        self.temporal_decoder = TemporalDecoder(config, rngs)
        self.depth_decoder = DepthDecoder(config, rngs)
        self.decoder_norm = Norm(config)
        self.logits_dense = Linear(config.embed_dim, config.vocab_size, rngs)
