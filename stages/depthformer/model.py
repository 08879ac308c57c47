"""The Depthformer: the network and its teacher-forced pass."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from soundstage.stages.attention import HIDDEN, hide_padding, matmul
from soundstage.stages.depthformer.conditions import Conditions
from soundstage.stages.depthformer.config import DepthformerConfig
from soundstage.stages.depthformer.decoder import Decoder
from soundstage.stages.depthformer.encoder import Encoder
from soundstage.stages.depthformer.vocabulary import BOS, CODEC_OFFSET


class Forced(NamedTuple):
    """The intermediate results of a teacher-forced pass, up to the logits.

    Attributes:
        temporal: float32 [B, T, D]; output of the temporal decoder.
        depth: float32 [B, T, L, D]; output of the depth decoder.
        normed: [B, T, L, D] in the activation type; output of the last norm, input of the head.
    """

    temporal: jax.Array
    depth: jax.Array
    normed: jax.Array


class TokenEmbedder(nnx.Module):
    """The embeddings of tokens, shared by encoder and decoders, not scaled."""

    def __init__(self, config: DepthformerConfig, rngs: nnx.Rngs) -> None:
        self.dtype = jnp.dtype(config.activation_dtype)
        shape = (config.vocab_size, config.embed_dim)
        self.embedding = nnx.Param(jax.random.normal(rngs.params(), shape))

    def __call__(self, tokens: jax.Array) -> jax.Array:
        """Looks up int32 [...] as [..., D] in the activation type."""
        return self.embedding[...][tokens].astype(self.dtype)


class Depthformer(nnx.Module):
    """Magenta RealTime v1's language model of music. Source: the Depthformer spec.

    Attributes are named as the published arrays are; see `loading.published_name`.

    Args:
        config: the sizes.
        rngs: random numbers for the initial weights, stream `params`.
    """

    def __init__(self, config: DepthformerConfig, rngs: nnx.Rngs) -> None:
        self.config = config
        self.token_embedder = TokenEmbedder(config, rngs)
        self.encoder = Encoder(config, rngs)
        self.decoder = Decoder(config, rngs)

    def encode(self, tokens: jax.Array) -> jax.Array:
        """Encodes prompts.

        Args:
            tokens: int32 [B, S], as `Vocabulary.pack` returns them; PAD is hidden.

        Returns:
            [B, S, D] in the activation type.
        """
        return self.encoder(tokens, self.token_embedder(tokens))

    def forced(self, encoded: jax.Array, prompt: jax.Array, targets: jax.Array) -> Forced:
        """Decodes known tokens, all steps at once (teacher forcing): for training and for checks.

        Args:
            encoded: [B, S, D], `encode` of the prompt.
            prompt: int32 [B, S]; its PAD positions are hidden.
            targets: int32 [B, T, L] vocabulary ids; step (t, l) sees all steps before it.
        """
        temporal = self.forced_temporal(encoded, prompt, targets)
        depth, normed = self.forced_depth(temporal, targets)
        return Forced(temporal, depth, normed)

    def forced_depth(self, temporal: jax.Array, targets: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Decodes known levels of frames; frames do not depend on each other.

        Args:
            temporal: float32 [B, T, D]; output of the temporal decoder for these frames.
            targets: int32 [B, T, L] vocabulary ids, of all levels or of the first ones.

        Returns:
            `Forced.depth` and `Forced.normed`.
        """
        B, T, L = targets.shape
        earlier = self.embed(targets[:, :, :-1])  # [B, T, L - 1, D]
        x = jnp.concatenate([temporal[:, :, None], earlier], axis=2).reshape(B * T, L, -1)
        decoder = self.decoder.depth_decoder
        caches = self.config.empty_caches(B * T, self.config.num_depth_layers, L)
        x, _ = decoder(x, caches, 0, decoder.relpos_bias_depth(L))
        normed = self.decoder.decoder_norm(x)
        return x.reshape(B, T, L, -1), normed.reshape(B, T, L, -1)

    def forced_sequence(
        self,
        encoded: jax.Array,
        style: jax.Array,
        targets: jax.Array,
        conditions: Conditions,
        hidden: int | None = None,
    ) -> jax.Array:
        """Decodes known frames of a network that reads the past in its temporal decoder.

        Args:
            encoded: [B, S, D], `encode` of the style.
            style: int32 [B, S], ids; PAD is hidden.
            targets: int32 [B, T, L] vocabulary ids; the first `past_levels` levels are read.
            conditions: of these frames.
            hidden: the id of frames that do not exist; None = all exist.

        Returns:
            float32 [B, T, D], the output of the temporal decoder for each frame.
        """
        B, T, _ = targets.shape
        decoder = self.decoder.temporal_decoder
        x = self.behind(targets) + decoder.embed_conditions(conditions)
        caches = self.config.empty_caches(B, self.config.num_temporal_layers, T)
        bias, style_bias = decoder.relpos_bias(T), hide_padding(style, encoded.dtype)
        if hidden is not None:
            bias = bias + self.hide_frames(targets, hidden, bias.dtype)
        x, _ = decoder(x, caches, 0, bias, decoder.look_at(encoded), style_bias)
        return x

    def hide_frames(self, frames: jax.Array, hidden: int, dtype: jnp.dtype) -> jax.Array:
        """Returns a bias [B, 1, 1, T] that hides frames which do not exist.

        The position of a frame holds the embedding of the frame before it, so that the first frame
        that exists sees that nothing exists before it.

        Args:
            frames: int32 [B, T, L], ids.
            hidden: the id of frames that do not exist.
            dtype: the type of the bias.
        """
        return jnp.where(frames[:, None, None, :, 0] == hidden, HIDDEN, 0.0).astype(dtype)

    def behind(self, frames: jax.Array) -> jax.Array:
        """Embeds the frame before each frame: int32 [B, T, L] ids -> float32 [B, T, D]."""
        means = self.embed(frames[:, :-1, : self.config.temporal_levels]).mean(axis=2)
        return jnp.concatenate([self.first_frame(len(frames)), means], axis=1)

    def forced_temporal(
        self, encoded: jax.Array, prompt: jax.Array, targets: jax.Array
    ) -> jax.Array:
        """Computes `Forced.temporal`, float32 [B, T, D]; the arguments are those of `forced`."""
        B, T, _ = targets.shape
        x = self.behind(targets)
        decoder = self.decoder.temporal_decoder
        caches = self.config.empty_caches(B, self.config.num_temporal_layers, T)
        hidden = hide_padding(prompt, encoded.dtype)
        x, _ = decoder(x, caches, 0, decoder.relpos_bias(T), decoder.look_at(encoded), hidden)
        return x

    def embed(self, tokens: jax.Array) -> jax.Array:
        """Embeds tokens for the decoders: int32 [...] -> float32 [..., D]."""
        return self.token_embedder(tokens).astype(jnp.float32)

    def first_frame(self, rows: int) -> jax.Array:
        """Returns the temporal decoder's input for the first frame: float32 [B, 1, D]."""
        return self.embed(jnp.full((rows, 1), BOS, jnp.int32))

    def level_heads(self) -> jax.Array:
        """Returns the head's columns for the codec's codes by level: [L, D, codebook_size]."""
        levels, codes = self.config.num_levels, self.config.codebook_size
        kernel = self.decoder.logits_dense.kernel[...]
        kernel = kernel[:, CODEC_OFFSET : CODEC_OFFSET + levels * codes]
        return kernel.reshape(-1, levels, codes).transpose(1, 0, 2)

    def logits(self, normed: jax.Array) -> jax.Array:
        """Computes logits over the whole vocabulary: [..., D] -> float32 [..., V]."""
        return self.decoder.logits_dense(normed.astype(jnp.float32))

    def own_level_logits(self, normed: jax.Array) -> jax.Array:
        """Computes each step's logits over its level's codes.

        Args:
            normed: [B, T, L, D].

        Returns:
            float32 [B, T, L, codebook_size].
        """
        x = normed.astype(jnp.float32)
        heads = self.level_heads()
        columns = [matmul(x[:, :, level], heads[level]) for level in range(x.shape[2])]
        return jnp.stack(columns, axis=2)

    def logsumexp(self, normed: jax.Array) -> jax.Array:
        """Computes log-sum-exp over all logits, one frame at a time to save memory.

        Args:
            normed: [B, T, L, D].

        Returns:
            float32 [B, T, L].
        """

        @jax.checkpoint
        def one_frame(x: jax.Array) -> jax.Array:
            return jax.nn.logsumexp(self.logits(x), axis=-1)

        return jax.lax.map(one_frame, normed.swapaxes(0, 1)).swapaxes(0, 1)
