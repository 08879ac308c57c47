"""The decoder: from embeddings to STFT features."""

from collections.abc import Iterator

import jax
from flax import nnx

from soundstage.stages.spectrostream.blocks import (
    Conv,
    DecoderUnit,
    Pointwise,
    Upsample,
    upsample_by_phases,
)
from soundstage.stages.spectrostream.config import SpectroStreamConfig, UnitShape
from soundstage.stages.spectrostream.groups import apart, join, last_output, row_by_row, split


class Decoder(nnx.Module):
    """The network that turns one embedding per code frame into STFT features.

    Args:
        config: the sizes.
        upsample: computes transposed convolutions.
        rngs: random numbers for the initial weights.

    Source: the SpectroStream spec, section 6.
    """

    def __init__(
        self,
        config: SpectroStreamConfig,
        *,
        upsample: Upsample = upsample_by_phases,
        rngs: nnx.Rngs,
    ) -> None:
        self.splits = config.channel_splits
        self.joint_levels = config.joint_levels
        self.bottom_bins = config.bottom_bins
        self.lookahead_stft_frames = config.decoder_lookahead * config.time_stride
        width = config.decoder_width
        taps = (config.decoder_base_kernel,) * 2
        outputs = config.feature_channels // config.channel_splits
        still = UnitShape(width, width, (1, 1), projects=False)
        shapes = config.decoder_units
        self.input_layer = InputLayer(config.features, config.bottom_bins * width, rngs=rngs)
        self.input_layers_residual_unit = DecoderUnit(still, upsample=upsample, rngs=rngs)
        self.units = nnx.List(DecoderUnit(s, upsample=upsample, rngs=rngs) for s in shapes)
        self.base_conv_last = Conv(shapes[-1].width_out, outputs, taps, rngs=rngs)

    def __call__(self, embeddings: jax.Array) -> jax.Array:
        """Decodes embeddings.

        Args:
            embeddings: float32 [row, frame, feature].

        Returns:
            float32 [row, stft_frame, bin, feature_channel], without the lookahead in front.
        """
        groups = split(last_output(self._inner_blocks(embeddings)), self.splits)
        parts = row_by_row(lambda row: last_output(self._outer_blocks(row)), groups)
        return join(parts, self.splits)[:, self.lookahead_stft_frames :]

    def blocks(self, embeddings: jax.Array) -> Iterator[tuple[str, jax.Array]]:
        """Yields every block's published name and output, in order.

        The output of a block that runs per group of channels has a leading axis for the groups.
        """
        for name, x in self._inner_blocks(embeddings):
            yield name, x
        for name, part in self._outer_blocks(split(x, self.splits)):
            yield name, apart(part, self.splits)

    def _inner_blocks(self, embeddings: jax.Array) -> Iterator[tuple[str, jax.Array]]:
        """Yields the blocks that process all channels: [row, frame, feature] to [row, ...]."""
        x = self.input_layer(embeddings[:, :, None])
        yield "input_layer", x
        x = self.input_layers_residual_unit(x.reshape(*x.shape[:2], self.bottom_bins, -1))
        yield "input_layers_residual_unit", x
        for level, unit in enumerate(self.units[: self.joint_levels]):
            x = unit(x)
            yield f"decoder_{level}", x

    def _outer_blocks(self, x: jax.Array) -> Iterator[tuple[str, jax.Array]]:
        """Yields the blocks that process groups: [group * row, time, bin, channel]."""
        for level, unit in enumerate(self.units[self.joint_levels :], self.joint_levels):
            x = unit(x)
            yield f"decoder_{level}", x
        yield "base_conv_last", self.base_conv_last(nnx.elu(x))


class InputLayer(nnx.Module):
    """The first layer of the decoder: the sum of a linear map and a small perceptron.

    Shapes: [row, frame, 1, feature] to [row, frame, 1, bottom_bin * channel].
    """

    def __init__(self, features: int, width: int, *, rngs: nnx.Rngs) -> None:
        self.conv1x1_first = Pointwise(features, width, rngs=rngs)
        self.conv1x1_b1 = Pointwise(features, width, rngs=rngs)
        self.conv1x1_b2 = Pointwise(width, width, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Applies the layer."""
        return self.conv1x1_first(x) + self.conv1x1_b2(nnx.elu(self.conv1x1_b1(x)))
