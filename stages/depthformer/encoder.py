"""The encoder: a bidirectional transformer over the prompt, which is the past and the style."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from soundstage.stages.attention import hide_padding
from soundstage.stages.depthformer.config import DepthformerConfig
from soundstage.stages.depthformer.layers import Attention, Mlp, Norm


def sinusoids(time: int, width: int) -> np.ndarray:
    """Returns position encodings: sines, then cosines, of falling frequency; float32 [time, width].

    Source: the Depthformer spec, "Encoder".
    """
    half = width // 2
    divisor = np.exp(-np.arange(half) * (np.log(10_000.0) / max(half - 1, 1)))
    angle = np.arange(time)[:, None] * divisor
    return np.concatenate([np.sin(angle), np.cos(angle)], axis=1).astype(np.float32)


class EncoderLayer(nnx.Module):
    """A layer of self-attention and an MLP, each on the norm of its input and added to it."""

    def __init__(self, config: DepthformerConfig, rngs: nnx.Rngs) -> None:
        self.pre_attention_layer_norm = Norm(config)
        self.attention = Attention(config, rngs)
        self.pre_mlp_layer_norm = Norm(config)
        self.mlp = Mlp(config, rngs)

    def __call__(self, x: jax.Array, bias: jax.Array) -> jax.Array:
        """Returns the output for x, both [B, S, D] in the activation type."""
        normed = self.pre_attention_layer_norm(x)
        x = x + self.attention(normed, self.attention.keys_values(normed), bias)
        return x + self.mlp(self.pre_mlp_layer_norm(x))


class Encoder(nnx.Module):
    """A stack of layers without relative bias: position encodings are added to its input."""

    def __init__(self, config: DepthformerConfig, rngs: nnx.Rngs) -> None:
        self.dtype = jnp.dtype(config.activation_dtype)
        self.layers = nnx.List(
            [EncoderLayer(config, rngs) for _ in range(config.num_encoder_layers)]
        )
        self.encoder_norm = Norm(config)

    def __call__(self, tokens: jax.Array, embedded: jax.Array) -> jax.Array:
        """Encodes prompts.

        Args:
            tokens: int32 [B, S]; PAD is hidden and its output is zero.
            embedded: [B, S, D], the tokens' embeddings in the activation type.

        Returns:
            [B, S, D] in the activation type.
        """
        x, bias = self.at_positions(embedded), hide_padding(tokens, self.dtype)
        for layer in self.layers:
            x = layer(x, bias)
        return jnp.where((tokens == 0)[..., None], jnp.zeros_like(x), self.encoder_norm(x))

    def at_positions(self, embedded: jax.Array) -> jax.Array:
        """Adds the position encodings, [B, S, D]: the input of the first layer."""
        positions = sinusoids(embedded.shape[1], embedded.shape[2])
        return (embedded.astype(jnp.float32) + positions[None]).astype(self.dtype)
