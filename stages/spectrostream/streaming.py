"""The decoder in streaming mode: chunk by chunk, and yet as one endless sequence.

Every layer that looks back is given its last inputs of the chunk before in front of the new ones,
and what it makes of those is cut off again: the result is that of one long sequence, whatever the
chunks. Those last inputs are the memory. They are kept as one flat array, so that they can be
wired as feedback; zeros are the silence before the first frame.

Source: the SpectroStream spec, section 8. It keeps the last *outputs* of transposed convolutions
where this keeps their last inputs: the same numbers follow, from fewer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TypeAlias

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax

from soundstage.stages.spectrostream.blocks import DecoderUnit, repeat, unit_taps
from soundstage.stages.spectrostream.config import SpectroStreamConfig, UnitShape
from soundstage.stages.spectrostream.decoder import Decoder
from soundstage.stages.spectrostream.groups import join, split
from soundstage.stages.spectrostream.stft import Stft

# The last inputs of one layer after another; each [row, time, bin, channel].
Pasts: TypeAlias = list[jax.Array]
_Shape: TypeAlias = tuple[int, int, int]


class MemoryLayout:
    """How the memory of one stream is laid out: what it has seen, then layer after layer.

    The first number counts the frames seen so far, up to the lookahead: until then, what the
    decoder says belongs to no frame and is silenced.

    Args:
        config: the measures of the codec.

    Attributes:
        inner: shapes [time, bin, channel] of the layers that run on all channels.
        outer: shapes of the layers that run per group of channels.
        spectrum: the shape of the STFT frames that still sound into the next chunk.
        size: how many numbers that are.
    """

    def __init__(self, config: SpectroStreamConfig) -> None:
        self.groups = config.channel_splits
        self.inner, self.outer = _layer_pasts(config)
        overlap = -(-config.window_samples // config.hop_samples) - 1
        self.spectrum = (overlap, config.bins, config.feature_channels)
        numbers = sum(map(math.prod, self.inner)) + math.prod(self.spectrum)
        self.size = 1 + numbers + self.groups * sum(map(math.prod, self.outer))

    def unpack(self, memory: jax.Array) -> tuple[jax.Array, Pasts, Pasts, jax.Array]:
        """Takes a memory, float32 [row, codec_memory], apart.

        Returns:
            Frames seen [row]; the pasts of the inner layers, those of the outer layers with
            [group * row, ...], and the spectrum [row, time, bin, feature_channel].
        """
        rows = memory.shape[0]
        outer = [(self.groups, *shape) for shape in self.outer]
        shapes = [*self.inner, *outer, self.spectrum]
        sizes = [math.prod(shape) for shape in shapes]
        cuts = [1 + sum(sizes[:index]) for index in range(len(sizes))]
        parts = [
            memory[:, cut : cut + size].reshape(rows, *shape)
            for cut, size, shape in zip(cuts, sizes, shapes, strict=True)
        ]
        count = len(self.inner)
        apart = [jnp.moveaxis(part, 1, 0) for part in parts[count:-1]]
        merged = [part.reshape(self.groups * rows, *part.shape[2:]) for part in apart]
        return memory[:, 0], parts[:count], merged, parts[-1]

    def pack(self, seen: jax.Array, inner: Pasts, outer: Pasts, spectrum: jax.Array) -> jax.Array:
        """Puts a memory together again, as `unpack` takes it apart."""
        rows = seen.shape[0]
        apart = [part.reshape(self.groups, rows, *part.shape[1:]) for part in outer]
        parts = [seen[:, None], *inner, *(jnp.moveaxis(part, 0, 1) for part in apart), spectrum]
        return jnp.concatenate([part.reshape(rows, -1) for part in parts], axis=1)


def _layer_pasts(config: SpectroStreamConfig) -> tuple[list[_Shape], list[_Shape]]:
    """Shapes of what the decoder's layers look back on, in the order in which they run."""
    width, bins = config.decoder_width, config.bottom_bins
    inner: list[_Shape] = [(2, bins, width), (2, bins, width)]
    outer: list[_Shape] = []
    for level, unit in enumerate(config.decoder_units):
        layers = inner if level < config.joint_levels else outer
        layers.append((_steps_back(unit), bins, unit.width_in))
        bins *= unit.stride[1]
        layers.append((2, bins, unit.width_out))
    last = config.decoder_units[-1].width_out
    outer.append((config.decoder_base_kernel - 1, bins, last))
    return inner, outer


def _steps_back(unit: UnitShape) -> int:
    """Earlier inputs that reach into an output step of a unit's first layer."""
    return -(-unit_taps(unit.stride)[0] // unit.stride[0]) - 1


def decode_on(
    decoder: Decoder,
    stft: Stft,
    layout: MemoryLayout,
    embeddings: jax.Array,
    memory: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    """Decodes the frames that follow on those in the memory.

    Args:
        decoder: the network.
        stft: turns its features into audio.
        layout: of the memory.
        embeddings: float32 [row, frame, feature].
        memory: float32 [row, codec_memory], as this function returned it; zeros at first.

    Returns:
        Audio, float32 [row, frame * frame_samples, channel], `lookahead` frames late: as many are
        silent at first. And the memory for the next frames.
    """
    seen, inner, outer, spectrum = layout.unpack(memory)
    x, inner = _inner(decoder, embeddings, inner)
    features, outer = _outer(decoder, x, outer)
    stride = features.shape[1] // embeddings.shape[1]
    lookahead = decoder.lookahead_stft_frames // stride
    arrived = seen[:, None] * stride + jnp.arange(features.shape[1], dtype=seen.dtype)[None]
    valid = arrived >= lookahead * stride  # [row, stft_frame]
    features = jnp.where(valid[:, :, None, None], features, 0.0)
    whole = jnp.concatenate([spectrum, features], axis=1)
    audio = stft.inverse(whole)[:, spectrum.shape[1] * stft.hop_samples :]
    seen = jnp.minimum(seen + embeddings.shape[1], lookahead)
    return audio, layout.pack(seen, inner, outer, _last(whole, spectrum))


def _inner(decoder: Decoder, embeddings: jax.Array, pasts: Pasts) -> tuple[jax.Array, Pasts]:
    """The layers that run on all channels."""
    x = decoder.input_layer(embeddings[:, :, None])
    x = x.reshape(*x.shape[:2], decoder.bottom_bins, -1)
    units = [decoder.input_layers_residual_unit, *decoder.units[: decoder.joint_levels]]
    return _units(units, x, iter(pasts))


def _outer(decoder: Decoder, x: jax.Array, pasts: Pasts) -> tuple[jax.Array, Pasts]:
    """The layers that run per group of channels, row by row as `groups.row_by_row` has it."""

    def one(row: tuple[jax.Array, Pasts]) -> tuple[jax.Array, Pasts]:
        x, past = row[0][None], iter([part[None] for part in row[1]])
        x, kept = _units(decoder.units[decoder.joint_levels :], x, past)
        x, last = _go_on(decoder.base_conv_last, nnx.elu(x), next(past))
        return x[0], [part[0] for part in [*kept, last]]

    parts, kept = lax.map(one, (split(x, decoder.splits), pasts))
    return join(parts, decoder.splits), kept


def _units(
    units: list[DecoderUnit] | nnx.List, x: jax.Array, pasts: Iterator[jax.Array]
) -> tuple[jax.Array, Pasts]:
    kept = []
    for unit in units:
        shortcut = repeat(unit.shortcut(x) if unit.shortcut else x, unit.stride)
        body, first = _go_on(unit.first, nnx.elu(x), next(pasts), unit.stride[0])
        body, second = _go_on(unit.second, nnx.elu(body), next(pasts))
        x = body + shortcut
        kept += [first, second]
    return x, kept


def _go_on(
    layer: Callable[[jax.Array], jax.Array], x: jax.Array, past: jax.Array, stride: int = 1
) -> tuple[jax.Array, jax.Array]:
    """Runs a layer on inputs that follow on its last ones; `stride` outputs belong to an input."""
    whole = jnp.concatenate([past, x], axis=1)
    return layer(whole)[:, past.shape[1] * stride :], _last(whole, past)


def _last(whole: jax.Array, past: jax.Array) -> jax.Array:
    """As many steps from the end as the past has; there may be none."""
    return whole[:, whole.shape[1] - past.shape[1] :]
