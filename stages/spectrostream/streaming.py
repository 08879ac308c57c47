"""The decoder in streaming mode: chunk by chunk, with the result of one long sequence.

Every causal layer sees its last inputs of the chunk before in front of the new ones, and computes
the outputs of the new ones alone. So the result does not depend on the size of the chunks. The
memory is those last inputs, as one flat array that can be a feedback edge; zeros are the silence
before the first frame.

Source: the SpectroStream spec, section 8. It keeps the last *outputs* of transposed convolutions;
this keeps their last inputs, which are fewer and give the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, TypeAlias

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax

from soundstage.stages.precision import without_numba
from soundstage.stages.row_groups import live_threads
from soundstage.stages.spectrostream.blocks import (
    Conv,
    DecoderUnit,
    TransposedConv,
    phase_kernel,
    repeat,
    unit_taps,
)
from soundstage.stages.spectrostream.config import SpectroStreamConfig, UnitShape
from soundstage.stages.spectrostream.decoder import Decoder
from soundstage.stages.spectrostream.groups import join, split
from soundstage.stages.spectrostream.stft import Stft
from soundstage.stages.spectrostream.winograd import TILED_TAPS, convolve_by_tiles, transform

if TYPE_CHECKING:
    from soundstage.stages.spectrostream.integer_decoder import IntegerDecoder

# How the decoder convolves: "direct" (exact); "winograd", with fewer products; "int16", in 16-bit
# integers, see `integer_decoder`.
Convolution = Literal["direct", "winograd", "int16"]
# The last inputs of one layer after another; each [row, time, bin, channel].
Pasts: TypeAlias = list[jax.Array]
_Shape: TypeAlias = tuple[int, int, int]


class MemoryLayout:
    """The layout of a stream's memory: a counter, then one layer after another.

    The first number counts the frames decoded so far, up to the lookahead. Until then the decoder's
    output belongs to no frame and is silenced.

    Args:
        config: the sizes of the codec.

    Attributes:
        groups: number of groups of channels.
        inner: shapes [time, bin, channel] for the layers that process all channels.
        outer: shapes for the layers that process groups of channels.
        spectrum: shape of the STFT frames whose windows reach into the next chunk.
        size: length of the memory.
    """

    def __init__(self, config: SpectroStreamConfig) -> None:
        self.groups, self._config = config.channel_splits, config
        self.inner, self.outer = _layer_pasts(config)
        overlap = -(-config.window_samples // config.hop_samples) - 1
        self.spectrum = (overlap, config.bins, config.feature_channels)
        numbers = sum(map(math.prod, self.inner)) + math.prod(self.spectrum)
        self.size = 1 + numbers + self.groups * sum(map(math.prod, self.outer))

    def unpack(self, memory: jax.Array) -> tuple[jax.Array, Pasts, Pasts, jax.Array]:
        """Splits a memory, float32 [row, codec_memory], into its parts.

        Returns:
            Frames decoded so far, [row]; the pasts of the inner layers, [row, ...]; the pasts of
            the outer layers, [row, group, ...]; and the spectrum, [row, time, bin,
            feature_channel].
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
        return memory[:, 0], parts[:count], parts[count:-1], parts[-1]

    def pack(self, seen: jax.Array, inner: Pasts, outer: Pasts, spectrum: jax.Array) -> jax.Array:
        """Joins the parts of a memory; the inverse of `unpack`."""
        rows = seen.shape[0]
        parts = [seen[:, None], *inner, *outer, spectrum]
        return jnp.concatenate([part.reshape(rows, -1) for part in parts], axis=1)

    def render(
        self, stft: Stft, features: jax.Array, seen: jax.Array, spectrum: jax.Array
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Turns features into audio.

        Args:
            stft: the transform.
            features: float32 [row, stft_frame, bin, feature_channel], of whole frames.
            seen: frames decoded so far, [row]; see `unpack`.
            spectrum: float32 [row, time, bin, feature_channel].

        Returns:
            Audio, float32 [row, sample, channel]; and the next `seen` and `spectrum`.
        """
        stride, lookahead = self._config.time_stride, self._config.decoder_lookahead
        arrived = seen[:, None] * stride + jnp.arange(features.shape[1], dtype=seen.dtype)[None]
        valid = arrived >= lookahead * stride  # [row, stft_frame]
        features = jnp.where(valid[:, :, None, None], features, 0.0)
        whole = jnp.concatenate([spectrum, features], axis=1)
        audio = stft.inverse(whole)[:, spectrum.shape[1] * stft.hop_samples :]
        seen = jnp.minimum(seen + features.shape[1] // stride, lookahead)
        return audio, seen, _last(whole, spectrum)


def _layer_pasts(config: SpectroStreamConfig) -> tuple[list[_Shape], list[_Shape]]:
    """Returns the shapes of the last inputs of the inner and the outer layers, in their order."""
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


def frames_back(config: SpectroStreamConfig) -> int:
    """Returns of how many of the last frames a stream's memory is a function."""
    inner, outer = _layer_pasts(config)
    # One after another, a layer's output depends on the steps before it that its past has.
    rates = [1.0, 1.0]
    for unit in config.decoder_units:
        rates += [rates[-1], rates[-1] * unit.stride[0]]
    rates.append(rates[-1])
    layers = [*inner, *outer]
    reach = sum(steps / rate for (steps, *_), rate in zip(layers, rates, strict=True))
    overlap = -(-config.window_samples // config.hop_samples) - 1
    return math.ceil(reach + overlap / rates[-1]) + config.decoder_lookahead


def _steps_back(unit: UnitShape) -> int:
    """Returns how many earlier inputs an output step of a unit's first layer depends on."""
    return -(-unit_taps(unit.stride)[0] // unit.stride[0]) - 1


def streaming_decoder(decoder: Decoder, by_tiles: bool) -> Decoder:
    """Returns a decoder for `decode_streaming`: its transposed convolutions are by phases.

    A frame takes about as long as the rearrangement of their kernels, which this does once. All
    other arrays are shared.

    Args:
        decoder: the network.
        by_tiles: whether the layers that process groups of channels need fewer products, and
            round differently; see `winograd`.
    """
    made = nnx.merge(*nnx.split(decoder))
    for unit in made.units:
        if isinstance(unit.first, TransposedConv):
            unit.first.kernel = nnx.Param(phase_kernel(unit.first.kernel[...], unit.stride))
    for unit in made.units[made.joint_levels :] if by_tiles else ():
        for layer in (unit.first, unit.second):
            if layer.kernel.shape[0] == TILED_TAPS:
                layer.kernel = nnx.Param(transform(layer.kernel[...]))
                layer.convolve = convolve_by_tiles
    return made


def integer_decoder(
    decoder: Decoder, config: SpectroStreamConfig, stft: Stft, device: jax.Device | None
) -> IntegerDecoder:
    """Returns a decoder that convolves in integers.

    Raises:
        WeightsError: the extra `cpu` is not installed.
    """
    try:
        from soundstage.stages.spectrostream.integer_decoder import IntegerDecoder
    except ModuleNotFoundError as error:
        what = "convolutions in 16-bit integers"
        raise without_numba(error, what, 'convolution = "int16"') from error
    return IntegerDecoder(decoder, config, stft, device, live_threads())


def decode_streaming(
    decoder: Decoder,
    stft: Stft,
    layout: MemoryLayout,
    embeddings: jax.Array,
    memory: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    """Decodes the next frames of a sequence.

    Args:
        decoder: the network, as `streaming_decoder` returns it.
        stft: turns its features into audio.
        layout: the layout of the memory.
        embeddings: float32 [row, frame, feature].
        memory: float32 [row, codec_memory], from the call before; zeros at first.

    Returns:
        Audio, float32 [row, frame * frame_samples, channel], delayed by the decoder's lookahead,
        which is silent at first; and the memory for the next frames.
    """
    seen, inner, outer, spectrum = layout.unpack(memory)
    x, inner = _inner(decoder, embeddings, inner)
    features, outer = _outer(decoder, x, outer)
    audio, seen, spectrum = layout.render(stft, features, seen, spectrum)
    return audio, layout.pack(seen, inner, outer, spectrum)


def _inner(decoder: Decoder, embeddings: jax.Array, pasts: Pasts) -> tuple[jax.Array, Pasts]:
    """Runs the layers that process all channels."""
    x = decoder.input_layer(embeddings[:, :, None])
    x = x.reshape(*x.shape[:2], decoder.bottom_bins, -1)
    units = [decoder.input_layers_residual_unit, *decoder.units[: decoder.joint_levels]]
    return _units(units, x, iter(pasts))


def _outer(decoder: Decoder, x: jax.Array, pasts: Pasts) -> tuple[jax.Array, Pasts]:
    """Runs the layers that process groups of channels, all groups of one row after another.

    So a row has the same result for any number of rows; see `groups.row_by_row`.
    """

    def one(row: tuple[jax.Array, Pasts]) -> tuple[jax.Array, Pasts]:
        x, past = split(row[0][None], decoder.splits), iter(row[1])
        x, kept = _units(decoder.units[decoder.joint_levels :], x, past)
        x, last = _run_layer(decoder.base_conv_last, nnx.elu(x), next(past))
        return join(x, decoder.splits)[0], [*kept, last]

    return lax.map(one, (x, pasts))


def _units(
    units: list[DecoderUnit] | nnx.List, x: jax.Array, pasts: Iterator[jax.Array]
) -> tuple[jax.Array, Pasts]:
    kept = []
    for unit in units:
        shortcut = repeat(unit.shortcut(x) if unit.shortcut else x, unit.stride)
        body, first = _run_layer(unit.first, nnx.elu(x), next(pasts))
        body, second = _run_layer(unit.second, nnx.elu(body), next(pasts))
        x = body + shortcut
        kept += [first, second]
    return x, kept


def _run_layer(
    layer: Conv | TransposedConv, x: jax.Array, past: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Runs a layer on new inputs, which sees its last inputs before them."""
    whole = jnp.concatenate([past, x], axis=1)
    return layer.continued(whole, past.shape[1]), _last(whole, past)


def _last(whole: jax.Array, past: jax.Array) -> jax.Array:
    """Returns the last steps, as many as the past has; possibly none."""
    return whole[:, whole.shape[1] - past.shape[1] :]
