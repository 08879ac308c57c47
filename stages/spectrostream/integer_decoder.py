"""The decoder in streaming mode, with convolutions in 16-bit integers, for CPUs.

Frame by frame, so the result does not depend on the size of the chunks. The memory is that of
`streaming`, with the same layout.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import jax
import numpy as np
from flax import nnx

from soundstage.kernels.compiled import compiled
from soundstage.kernels.convolutions import (
    NOWHERE,
    OUTPUTS,
    Convolution,
    aligned_zeros,
    join,
    padded_inputs,
    padded_outputs,
    rounded_weights,
    run_convolutions,
)
from soundstage.kernels.programs import Program
from soundstage.kernels.team import Member, Team, meet, share
from soundstage.stages.spectrostream.blocks import (
    Conv,
    DecoderUnit,
    Pointwise,
    TransposedConv,
    bin_plan,
    phase_kernel,
)
from soundstage.stages.spectrostream.config import SpectroStreamConfig
from soundstage.stages.spectrostream.decoder import Decoder
from soundstage.stages.spectrostream.stft import Stft
from soundstage.stages.spectrostream.streaming import MemoryLayout


class IntegerDecoder:
    """A decoder in streaming mode, on a CPU.

    Safe to call from several threads; calls run one after another.

    Args:
        decoder: the network, with its kernels as published.
        config: its sizes.
        stft: turns its features into audio.
        device: a CPU; None = JAX's default device.
        threads: that share the work; the audio does not depend on their number.
    """

    def __init__(
        self,
        decoder: Decoder,
        config: SpectroStreamConfig,
        stft: Stft,
        device: jax.Device | None,
        threads: int,
    ) -> None:
        layers = _Layers(config)
        sums = layers.add_decoder(decoder)
        self._values, self._layers = layers.values(), join(layers.made)
        self._last = _LastLayer(_array(decoder.base_conv_last.bias), sums)
        self._shape = (config.time_stride, config.bins, config.feature_channels)
        self._layout, self._stft, self._device = MemoryLayout(config), stft, device
        self._run_render = Program(self._render, config)
        self._team = Team(threads)

    def __call__(
        self, embeddings: np.ndarray, memory: np.ndarray | jax.Array
    ) -> tuple[np.ndarray, np.ndarray]:
        """Decodes the next frames of every row.

        Args:
            embeddings: float32 [row, frame, feature].
            memory: float32 [row, codec_memory]; overwritten if it may be.

        Returns:
            Audio, float32 [row, sample, channel]; and the memory for the next frames.
        """
        rows, frames = embeddings.shape[:2]
        kept = np.require(memory, np.float32, ["C", "W"])
        features = np.empty((rows, frames, *self._shape), np.float32)
        given = np.array(embeddings, np.float32)

        def run(member: Member) -> None:
            decode_rows(member, self._layers, self._values, self._last, given, kept, features)

        self._team(run)
        spectrum = kept[:, kept.shape[1] - math.prod(self._layout.spectrum) :]
        parts = (features, kept[:, 0], spectrum)
        audio, seen, after = self._run_render(*jax.device_put(parts, self._device))
        kept[:, 0], spectrum[:] = seen, after
        return np.asarray(audio), kept

    def _render(
        self, features: jax.Array, seen: jax.Array, spectrum: jax.Array
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        whole = features.reshape(len(features), -1, *self._shape[1:])
        before = spectrum.reshape(len(spectrum), *self._layout.spectrum)
        audio, seen, after = self._layout.render(self._stft, whole, seen, before)
        return audio, seen, after.reshape(spectrum.shape)


class _LastLayer(NamedTuple):
    """What sums the last layer's products over its taps along bins.

    Attributes:
        bias: float32 [channel].
        sizes: int64 [4]: the groups; the bins before an output's own that its taps see; where the
            products, [group, time, bin, product], begin in the values; and how many a position has,
            of which the first belong to [bin tap, channel].
    """

    bias: np.ndarray
    sizes: np.ndarray


@compiled
def decode_rows(
    member: Any, layers: Any, values: Any, last: Any, embeddings: Any, memory: Any, features: Any
) -> None:
    """Decodes one frame after another; see `IntegerDecoder`.

    Args:
        member: this thread.
        layers: `Convolutions`.
        values: float32 [number]; overwritten, the embedding first.
        last: `_LastLayer`.
        embeddings: float32 [row, frame, feature].
        memory: float32 [row, codec_memory]; overwritten.
        features: float32 [row, frame, stft_frame, bin, feature_channel]; what is written.
    """
    for row in range(embeddings.shape[0]):
        for frame in range(embeddings.shape[1]):
            if member.place == 0:
                values[: embeddings.shape[2]] = embeddings[row, frame]
            meet(member)
            run_convolutions(member, layers, values, memory[row])
            sum_bins(member, last, values, features[row, frame])
            meet(member)


@compiled
def sum_bins(member: Any, last: Any, values: Any, features: Any) -> None:
    """Sums the last layer's products over its taps along bins, for this thread's frames."""
    groups, before, start, width = last.sizes
    frames, bins, _ = features.shape
    channels, taps = last.bias.shape[0], 2 * before + 1
    first, end = share(member, groups * frames)
    for index in range(first, end):
        group, frame = index // frames, index % frames
        products = values[start + index * bins * width :]
        for channel in range(channels):
            column = group * channels + channel
            for place in range(bins):
                features[frame, place, column] = last.bias[channel]
            for tap in range(taps):
                shift = tap - before
                for place in range(max(0, -shift), min(bins, bins - shift)):
                    at = (place + shift) * width + tap * channels + channel
                    features[frame, place, column] += products[at]


class _View(NamedTuple):
    """Where the activations of a layer lie.

    Attributes:
        places: int64 [group, time, bin], where each position's channels begin in the values.
        width: channels.
    """

    places: np.ndarray
    width: int

    def repeated(self, stride: tuple[int, int]) -> _View:
        """Returns the view with every step repeated, along time and bins."""
        places = self.places.repeat(stride[0], axis=1).repeat(stride[1], axis=2)
        return self._replace(places=places)

    def split(self, groups: int) -> _View:
        """Returns the view with its channels split into groups."""
        width = self.width // groups
        places = np.concatenate([self.places + width * group for group in range(groups)])
        return _View(places, width)


class _Layers:
    """The layers of a decoder for one frame, in the order in which they run."""

    def __init__(self, config: SpectroStreamConfig) -> None:
        layout = MemoryLayout(config)
        shapes = [*((1, *shape) for shape in layout.inner)]
        shapes += [(layout.groups, *shape) for shape in layout.outer]
        # The first number of a memory counts frames.
        starts = 1 + np.cumsum([0, *map(math.prod, shapes)])
        self._pasts = iter(
            [
                np.arange(start, start + math.prod(shape)).reshape(shape)[..., 0]
                for start, shape in zip(starts[:-1], shapes, strict=True)
            ]
        )
        self.made: list[Convolution] = []
        # Of the values: the embedding, and the outputs of one layer after another.
        self._count = config.features

    def add_decoder(self, decoder: Decoder) -> np.ndarray:
        """Adds all layers; returns the sizes of `_LastLayer`."""
        first = decoder.input_layer
        given = _View(np.zeros((1, 1, 1), np.int64), self._count)
        straight = self._pointwise(first.conv1x1_first, given)
        hidden = self._pointwise(first.conv1x1_b1, given)
        x = self._pointwise(first.conv1x1_b2, hidden, straight, elu=True)
        width, bins = x.width // decoder.bottom_bins, decoder.bottom_bins
        x = _View(x.places + width * np.arange(bins), width)
        x = self._unit(decoder.input_layers_residual_unit, x)
        for level, unit in enumerate(decoder.units):
            x = self._unit(unit, x.split(decoder.splits) if level == decoder.joint_levels else x)
        base = decoder.base_conv_last
        kernel = _array(base.kernel)  # [time tap, bin tap, in, out]
        taps = kernel.shape[1]
        by_input = kernel.transpose(0, 2, 1, 3).reshape(kernel.shape[0], 1, kernel.shape[2], -1)
        y = self._add(by_input, np.zeros(by_input.shape[-1], np.float32), x, next(self._pasts))
        width = self.made[-1].sizes[OUTPUTS]
        return np.array([len(x.places), (taps - 1) // 2, y.places[0, 0, 0], width])

    def values(self) -> np.ndarray:
        """Returns values for all layers; the last are zeros, added where nothing else is."""
        for layer in self.made:
            layer.starts[layer.starts == NOWHERE] = self._count
        widest = max(len(layer.scales) for layer in self.made)
        return np.zeros(self._count + widest, np.float32)

    def _unit(self, unit: DecoderUnit, x: _View) -> _View:
        added = self._pointwise(unit.shortcut, x) if unit.shortcut else x
        body = self._layer(unit.first, x)
        return self._layer(unit.second, body, added.repeated(unit.stride))

    def _pointwise(
        self, layer: Pointwise, x: _View, added: _View | None = None, elu: bool = False
    ) -> _View:
        past = np.zeros((len(x.places), 0, x.places.shape[2]), np.int64)
        kernel, bias = _array(layer.kernel), _array(layer.bias)
        return self._add(kernel, bias, x, past, added=added, elu=elu)

    def _layer(self, layer: Conv | TransposedConv, x: _View, added: _View | None = None) -> _View:
        past = next(self._pasts)
        if isinstance(layer, Conv):
            around = layer.taps[1] - 1
            kernel, bias = _array(layer.kernel), _array(layer.bias)
            return self._add(kernel, bias, x, past, (around // 2, around - around // 2), added)
        times, bins = layer.stride
        kernel = np.asarray(phase_kernel(layer.kernel[...], layer.stride), np.float32)
        bias = np.tile(_array(layer.bias), times * bins)
        plan = bin_plan(layer.taps[1], bins, x.places.shape[2])
        y = self._add(kernel, bias, x, past, plan.padding, added)
        groups, steps, _ = y.places.shape
        width = y.width // (times * bins)
        phases = width * np.arange(times * bins).reshape(times, 1, bins)
        # [group, time, phase along time, bin, phase along bins]
        places = y.places[:, :, None, :, None] + phases
        places = places.reshape(groups, steps * times, -1)
        return _View(places[:, :, plan.crop :][:, :, : x.places.shape[2] * bins], width)

    def _add(
        self,
        kernel: np.ndarray,
        bias: np.ndarray,
        x: _View,
        past: np.ndarray,
        padding: tuple[int, int] = (0, 0),
        added: _View | None = None,
        elu: bool = True,
    ) -> _View:
        """Adds a convolution.

        Args:
            kernel: float32 [time tap, bin tap, in, out].
            bias: float32 [out].
            x: its new inputs.
            past: int64 [group, earlier time, bin], where earlier inputs lie in the memory.
            padding: bins of zeros before and after the inputs.
            added: what is added to the outputs.
            elu: whether the new inputs pass an exponential linear unit.
        """
        weights, scales = rounded_weights(kernel.reshape(-1, *kernel.shape[2:]))
        inputs, summed = padded_inputs(x.width)
        where = _Positions(x.places, past, padding, kernel.shape[1])
        count, width, target = where.outputs.size, len(scales), self._count
        starts = np.full(count, NOWHERE) if added is None else added.places.flatten()
        sizes = [inputs, summed, width, x.width, target, elu, past.shape[1]]
        self._count += count * width
        self.made.append(
            Convolution(
                weights,
                scales,
                padded_outputs(bias),
                aligned_zeros(where.count * inputs, np.int16),
                np.zeros(where.count, np.float32),
                where.old,
                where.new,
                np.ascontiguousarray(where.outputs).reshape(-1),
                starts,
                where.taps(kernel.shape[:2]),
                np.array(sizes, np.int64),
            )
        )
        places = target + width * np.arange(count).reshape(where.outputs.shape)
        return _View(places, kernel.shape[3])


class _Positions:
    """The positions of a convolution's inputs, and where inputs come from and are kept.

    Args:
        places: int64 [group, time, bin], where the new inputs lie in the values.
        past: int64 [group, earlier time, bin], where earlier inputs lie in the memory.
        padding: bins of zeros before and after the inputs.
        bin_taps: taps along bins.

    Attributes:
        count: number of positions.
        old: as in `Convolution`, and so is `new`.
        outputs: int64 [group, time, bin of the outputs], the positions under their first taps.
    """

    def __init__(
        self, places: np.ndarray, past: np.ndarray, padding: tuple[int, int], bin_taps: int
    ) -> None:
        groups, steps, bins = places.shape
        earlier, self._wide = past.shape[1], bins + sum(padding)
        self.count = groups * (earlier + steps) * self._wide
        positions = np.arange(self.count).reshape(groups, -1, self._wide)
        inside = positions[:, :, padding[0] : padding[0] + bins]
        kept = np.full(inside.shape, NOWHERE)
        kept[:, steps:] = past
        old = np.stack([past, inside[:, :earlier], kept[:, :earlier]], axis=3)
        new = np.stack([places, inside[:, earlier:], kept[:, earlier:]], axis=3)
        self.old = np.ascontiguousarray(old.swapaxes(1, 2)).reshape(-1, 3)
        self.new = np.ascontiguousarray(new).reshape(-1, 3)
        self.outputs = positions[:, :steps, : self._wide - bin_taps + 1]

    def taps(self, counts: tuple[int, ...]) -> np.ndarray:
        """Returns the distances of taps, int64 [time tap * bin tap], from the first of them."""
        times, bins = (np.arange(count) for count in counts)
        return (self._wide * times[:, None] + bins).reshape(-1)


def _array(parameter: nnx.Param) -> np.ndarray:
    """Returns a parameter as an array that may be written to: Numba compiles apart for others."""
    return np.array(parameter[...], np.float32)
