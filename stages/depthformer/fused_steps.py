"""A step of each decoder by fused kernels: the numbers of its modules, rounded elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from soundstage.kernels import fused, fused_attention, fused_choice
from soundstage.stages.attention import KeysValues
from soundstage.stages.depthformer.choice import Addressed, OwnLevel
from soundstage.stages.depthformer.config import DepthformerConfig
from soundstage.stages.depthformer.decoder import DepthDecoder, TemporalDecoder
from soundstage.stages.depthformer.layers import Attention, Linear, Mlp, Norm
from soundstage.stages.depthformer.steps import DecoderSteps, LevelChoice, LevelInput
from soundstage.stages.depthformer.vocabulary import CODEC_OFFSET


def check_widths(config: DepthformerConfig) -> None:
    """Refuses sizes that these kernels cannot divide.

    Raises:
        ValueError: names the size.
    """
    for name in ("embed_dim", "head_dim", "mlp_dim"):
        fused.check_width(name, getattr(config, name))
    if config.head_dim & (config.head_dim - 1):
        raise ValueError(f"head_dim = {config.head_dim} must be a power of 2 for fused products")


@dataclass(frozen=True)
class FusedSteps(DecoderSteps):
    """Steps of few kernels, for GPUs: five a depth layer, eight a temporal layer, two a choice.

    Attributes:
        interpret: whether the kernels are interpreted, on a processor.
    """

    interpret: bool

    def empty_levels(self, config: DepthformerConfig, rows: int) -> list[KeysValues]:
        """Returns caches that hold anything: nothing is read before it is written."""
        shape = (rows, config.num_heads, config.num_levels, config.head_dim)

        def empty() -> jax.Array:
            return jax.lax.empty(shape, jnp.dtype(config.activation_dtype))

        return [KeysValues(empty(), empty()) for _ in range(config.num_depth_layers)]

    def decode_frame(
        self,
        decoder: TemporalDecoder,
        x: jax.Array,
        caches: list[KeysValues],
        position: jax.Array,
        bias: jax.Array,
        prompt: list[KeysValues],
        prompt_bias: jax.Array,
    ) -> tuple[jax.Array, list[KeysValues]]:
        """Computes one frame; arguments and results are those of `TemporalDecoder`'s call."""
        stream, new_caches = _ResidualStream(x, len(x), self.interpret), []
        for layer, cache, seen in zip(decoder.layers, caches, prompt, strict=True):
            norm = layer.pre_self_attention_layer_norm
            cache = stream.attend_to_itself(norm, layer.self_attention, cache, position, bias)
            norm = layer.pre_cross_attention_layer_norm
            stream.attend_to(norm, layer.encoder_decoder_attention, seen, prompt_bias)
            stream.add_mlp(layer.pre_mlp_layer_norm, layer.mlp)
            new_caches.append(cache)
        return stream.result(), new_caches

    def decode_level(
        self,
        decoder: DepthDecoder,
        x: jax.Array,
        caches: list[KeysValues],
        position: jax.Array,
        bias: jax.Array,
    ) -> tuple[jax.Array, list[KeysValues]]:
        """Computes one level; arguments and results are those of `DepthDecoder`'s call."""
        stream, new_caches = _ResidualStream(x, len(caches[0].keys), self.interpret), []
        for layer, cache in zip(decoder.depth_layers, caches, strict=True):
            norm = layer.pre_self_attention_layer_norm
            cache = stream.attend_to_itself(norm, layer.self_attention, cache, position, bias)
            stream.add_mlp(layer.pre_mlp_layer_norm, layer.mlp)
            new_caches.append(cache)
        return stream.result(), new_caches

    def choose(
        self, how: LevelChoice, x: jax.Array, ended: jax.Array, given: LevelInput
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Chooses the codes of a level; arguments and results are those of `LevelChoice`'s call.

        Two kernels choose as `Addressed` does, from the codes of the level. What else there may be
        is left to XLA.
        """
        config, rows = how.model.config, 2 * len(ended)
        own = type(how.chooser) is Addressed and type(how.alphabet) is OwnLevel
        if not own or not fused_choice.can_choose(config.codebook_size):
            choice, ended, embedded = how(x[:rows], ended, given)
            return choice, ended, _padded(embedded)
        norm, sampling = how.model.decoder.decoder_norm, how.sampling
        logits = fused.norm_logits(
            x[:, 0],
            norm.scale[...],
            how.heads,
            given.level,
            norm.dtype,
            interpret=self.interpret,
        )
        embedder = how.model.token_embedder
        choice, embedded = fused_choice.choose_and_embed(
            logits,
            how.noise,
            given.level,
            fused_choice.ChoiceSettings(
                sampling.temperature,
                sampling.top_k,
                [sampling.guidance],
                sampling.top_p,
                sampling.min_p,
            ),
            fused_choice.CodeEmbedding(
                embedder.embedding[...],
                CODEC_OFFSET,
                embedder.dtype,
                jnp.dtype(jnp.float32),
                len(logits),
            ),
            how.penalty(given),
            interpret=self.interpret,
        )
        return choice, ended, embedded[:, None]


def _padded(x: jax.Array) -> jax.Array:
    """Appends rows of zeros, as many as the kernels want."""
    return jnp.pad(x, ((0, fused.padded_rows(len(x)) - len(x)), (0, 0), (0, 0)))


class _ResidualStream:
    """The residual stream of one step, to which the parts of layers are added one by one.

    Args:
        x: float32 [B or R, 1, D].
        rows: B, how many of its rows are used.
        interpret: whether the kernels are interpreted, on a processor.
    """

    def __init__(self, x: jax.Array, rows: int, interpret: bool) -> None:
        self._interpret = interpret
        x = x.astype(jnp.float32)
        self._x = (_padded(x) if len(x) == rows else x)[:, 0]

    def result(self) -> jax.Array:
        """Returns all rows, of which those from B on hold anything: float32 [R, 1, D]."""
        return self._x[:, None]

    def attend_to_itself(
        self,
        norm: Norm,
        attention: Attention,
        cache: KeysValues,
        position: jax.Array,
        bias: jax.Array,
    ) -> KeysValues:
        """Adds causal self-attention, and returns the cache with this position added."""
        parts = (attention.query, attention.key, attention.value)
        query, key, value = fused.norm_products(
            self._x,
            norm.scale[...],
            [_kernel(part, norm) for part in parts],
            interpret=self._interpret,
        )
        mixed, keys, values = fused_attention.attend_and_keep(
            query, key, value, *cache, bias[:, :, 0], position, interpret=self._interpret
        )
        self._add(mixed, attention.out, norm)
        return KeysValues(keys, values)

    def attend_to(
        self, norm: Norm, attention: Attention, seen: KeysValues, bias: jax.Array
    ) -> None:
        """Adds attention to keys and values that stay as they are."""
        (query,) = fused.norm_products(
            self._x,
            norm.scale[...],
            [_kernel(attention.query, norm)],
            interpret=self._interpret,
        )
        mixed = fused_attention.attend(query, *seen, bias[:, :, 0], interpret=self._interpret)
        self._add(mixed, attention.out, norm)

    def add_mlp(self, norm: Norm, mlp: Mlp) -> None:
        """Adds a gated MLP."""
        gated = fused.norm_gated(
            self._x,
            norm.scale[...],
            _kernel(mlp.wi_0, norm),
            _kernel(mlp.wi_1, norm),
            interpret=self._interpret,
        )
        self._add(gated, mlp.wo, norm)

    def _add(self, x: jax.Array, linear: Linear, norm: Norm) -> None:
        kernel = _kernel(linear, norm)
        self._x = fused.product_sum(x, kernel, self._x, interpret=self._interpret)


def _kernel(linear: Linear, norm: Norm) -> jax.Array:
    """Returns a matrix in the type of the activations."""
    return linear.kernel[...].astype(norm.dtype)
