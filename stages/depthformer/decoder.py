"""The two decoders: the temporal one runs once a frame, the depth one once a level."""

import jax
import jax.numpy as jnp
from flax import nnx

from soundstage.stages.attention import KeysValues, extend_cache
from soundstage.stages.depthformer.conditions import Conditions, feature_count, features
from soundstage.stages.depthformer.config import DepthformerConfig
from soundstage.stages.depthformer.layers import Attention, Linear, Mlp, Norm, RelativeBias


class TemporalLayer(nnx.Module):
    """A layer of causal self-attention, cross-attention to the encoder, and an MLP."""

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
        """Returns the output for x, float32 [B, T, D], and the cache with these positions added."""
        normed = self.pre_self_attention_layer_norm(x)
        cache = extend_cache(cache, self.self_attention.keys_values(normed), position)
        x = x + self.self_attention(normed, cache, bias).astype(jnp.float32)
        normed = self.pre_cross_attention_layer_norm(x)
        seen = self.encoder_decoder_attention(normed, prompt, prompt_bias)
        x = x + seen.astype(jnp.float32)
        return x + self.mlp(self.pre_mlp_layer_norm(x)).astype(jnp.float32), cache


class TemporalDecoder(nnx.Module):
    """A causal stack over frames with cross-attention to the encoder; no norm at its end."""

    def __init__(self, config: DepthformerConfig, rngs: nnx.Rngs) -> None:
        self.layers = nnx.List(
            [TemporalLayer(config, rngs) for _ in range(config.num_temporal_layers)]
        )
        self.relpos_bias = RelativeBias(config, config.temporal_buckets, rngs)
        if config.past_levels:
            self.conditions = Linear(feature_count(), config.embed_dim, rngs)

    def look_at(self, encoded: jax.Array) -> list[KeysValues]:
        """Returns the keys and values of the encoder's output, [B, S, D], for every layer."""
        return [layer.encoder_decoder_attention.keys_values(encoded) for layer in self.layers]

    def embed_conditions(self, conditions: Conditions) -> jax.Array:
        """Returns what conditions add to the input of their frames: float32 [B, T, D]."""
        return self.conditions(features(conditions))

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
            caches: keys and values of earlier frames, with space for these, one entry a layer.
            position: index of the first of these frames.
            bias: [1, H, T, time], these frames' rows of `relpos_bias`.
            prompt: `look_at` of the encoder's output.
            prompt_bias: [B, 1, 1, S], hides padding.

        Returns:
            float32 [B, T, D], and the caches with these frames added.
        """
        new_caches = []
        for layer, cache, seen in zip(self.layers, caches, prompt, strict=True):
            x, cache = layer(x, cache, position, bias, seen, prompt_bias)
            new_caches.append(cache)
        return x, new_caches


class DepthLayer(nnx.Module):
    """A layer of causal self-attention and an MLP."""

    def __init__(self, config: DepthformerConfig, rngs: nnx.Rngs) -> None:
        self.pre_self_attention_layer_norm = Norm(config)
        self.self_attention = Attention(config, rngs)
        self.pre_mlp_layer_norm = Norm(config)
        self.mlp = Mlp(config, rngs)

    def __call__(
        self, x: jax.Array, cache: KeysValues, position: int | jax.Array, bias: jax.Array
    ) -> tuple[jax.Array, KeysValues]:
        """Returns the output for x, float32 [B, L, D], and the cache with these positions added."""
        normed = self.pre_self_attention_layer_norm(x)
        cache = extend_cache(cache, self.self_attention.keys_values(normed), position)
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
            caches: keys and values of earlier levels, with space for these, one entry a layer.
            position: index of the first of these levels.
            bias: [1, H, L, time], these levels' rows of `relpos_bias_depth`.

        Returns:
            float32 [B, L, D], and the caches with these levels added.
        """
        new_caches = []
        for layer, cache in zip(self.depth_layers, caches, strict=True):
            x, cache = layer(x, cache, position, bias)
            new_caches.append(cache)
        return x, new_caches


class Decoder(nnx.Module):
    """Both decoders, the last norm and the head, which is not tied to the embedding."""

    def __init__(self, config: DepthformerConfig, rngs: nnx.Rngs) -> None:
        self.temporal_decoder = TemporalDecoder(config, rngs)
        self.depth_decoder = DepthDecoder(config, rngs)
        self.decoder_norm = Norm(config)
        self.logits_dense = Linear(config.embed_dim, config.vocab_size, rngs)
