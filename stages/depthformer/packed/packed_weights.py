"""A network's weights, packed for `packed_decoder` and `packed_reading`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

import numpy as np
from flax import nnx

from soundstage.kernels.products import Pack, WeightType, packed
from soundstage.stages.depthformer.decoder import DepthLayer, TemporalLayer
from soundstage.stages.depthformer.encoder import EncoderLayer
from soundstage.stages.depthformer.layers import Attention, Linear, Norm
from soundstage.stages.depthformer.model import Depthformer
from soundstage.stages.depthformer.packed.packed_decoder import (
    AttentionWeights,
    DecoderWeights,
    MlpWeights,
)
from soundstage.stages.depthformer.packed.packed_reading import ReadingWeights


def packed_weights(model: Depthformer, dtype: WeightType) -> DecoderWeights:
    """Packs the decoders of a float32 network on the CPU.

    Args:
        model: the network.
        dtype: in which numbers matrices are packed; embeddings, norms and biases are float32.
    """
    decoder = model.decoder
    frames, levels = decoder.temporal_decoder.layers, decoder.depth_decoder.depth_layers
    bias = np.asarray(decoder.depth_decoder.relpos_bias_depth(model.config.num_levels))
    pack = partial(packed, dtype=dtype)
    return DecoderWeights(
        _array(model.token_embedder.embedding),
        _own_attention(
            [layer.self_attention for layer in frames],
            [layer.pre_self_attention_layer_norm for layer in frames],
            pack,
        ),
        AttentionWeights(
            pack(_kernels([layer.encoder_decoder_attention.query for layer in frames])),
            pack(_kernels([layer.encoder_decoder_attention.out for layer in frames])),
            _scales([layer.pre_cross_attention_layer_norm for layer in frames]),
        ),
        _mlp(frames, pack),
        _own_attention(
            [layer.self_attention for layer in levels],
            [layer.pre_self_attention_layer_norm for layer in levels],
            pack,
        ),
        _mlp(levels, pack),
        _array(decoder.decoder_norm.scale),
        pack(np.asarray(model.level_heads())),
        np.array(bias[0], np.float32),
        np.array([model.config.temporal_levels]),
    )


def reading_weights(model: Depthformer) -> ReadingWeights:
    """Packs in 8 bits what reads the prompts of a float32 network on the CPU."""
    encoder, pack = model.encoder, partial(packed, dtype="int8")
    parts = [layer.encoder_decoder_attention for layer in model.decoder.temporal_decoder.layers]
    return ReadingWeights(
        _own_attention(
            [layer.attention for layer in encoder.layers],
            [layer.pre_attention_layer_norm for layer in encoder.layers],
            pack,
        ),
        _mlp(encoder.layers, pack),
        _array(encoder.encoder_norm.scale),
        pack(np.concatenate([*_kernels((part.key, part.value))], axis=1) for part in parts),
    )


def _array(parameter: nnx.Param) -> np.ndarray:
    """Returns a copy, which may be written to: Numba compiles apart for arrays that may not."""
    return np.array(parameter[...], np.float32)


def _kernels(parts: Iterable[Linear]) -> Iterable[np.ndarray]:
    return (np.asarray(part.kernel[...], np.float32) for part in parts)


def _scales(norms: Iterable[Norm]) -> np.ndarray:
    return np.stack([_array(norm.scale) for norm in norms])


def _own_attention(
    parts: Sequence[Attention], norms: Sequence[Norm], pack: Pack
) -> AttentionWeights:
    inputs = (
        np.concatenate([*_kernels((part.query, part.key, part.value))], axis=1) for part in parts
    )
    out = _kernels([part.out for part in parts])
    return AttentionWeights(pack(inputs), pack(out), _scales(norms))


def _mlp(layers: Sequence[EncoderLayer | TemporalLayer | DepthLayer], pack: Pack) -> MlpWeights:
    gate, up, down = (
        pack(_kernels([getattr(layer.mlp, name) for layer in layers]))
        for name in ("wi_0", "wi_1", "wo")
    )
    return MlpWeights(gate, up, down, _scales([layer.pre_mlp_layer_norm for layer in layers]))
