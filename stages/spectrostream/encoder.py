"""The encoder: from STFT features to embeddings."""

from collections.abc import Iterator

import jax
from flax import nnx

from soundstage.stages.spectrostream.blocks import Conv, EncoderUnit, Pointwise
from soundstage.stages.spectrostream.config import SpectroStreamConfig, UnitShape
from soundstage.stages.spectrostream.groups import apart, join, last_output, row_by_row, split


class Encoder(nnx.Module):
    """The network that turns STFT features into one embedding per code frame.

    Source: the SpectroStream spec, section 5.
    """

    def __init__(self, config: SpectroStreamConfig, *, rngs: nnx.Rngs) -> None:
        self.splits = config.channel_splits
        self.apart_levels = len(config.ratios) - config.joint_levels
        shapes = config.encoder_units
        taps = (config.encoder_base_kernel,) * 2
        inputs = config.feature_channels // config.channel_splits
        width = shapes[-1].width_out
        still = UnitShape(width, width, (1, 1), projects=False)
        self.base_conv_first = Conv(inputs, config.encoder_base, taps, rngs=rngs)
        self.units = nnx.List(EncoderUnit(shape, rngs=rngs) for shape in shapes)
        self.bottleneck = EncoderUnit(still, rngs=rngs)
        self.output_convs = OutputConvs(config.bottom_bins * width, config.features, rngs=rngs)

    def __call__(self, features: jax.Array) -> jax.Array:
        """Encodes STFT features.

        Args:
            features: float32 [row, stft_frame, bin, feature_channel].

        Returns:
            float32 [row, frame, feature], including a last partial frame.
        """
        groups = split(features, self.splits)
        outer = row_by_row(lambda row: last_output(self._outer_blocks(row)), groups)
        return last_output(self._inner_blocks(outer))[:, :, 0]

    def blocks(self, features: jax.Array) -> Iterator[tuple[str, jax.Array]]:
        """Yields every block's published name and output, in order.

        The output of a block that runs per group of channels has a leading axis for the groups.
        """
        for name, x in self._outer_blocks(split(features, self.splits)):
            yield name, apart(x, self.splits)
        yield from self._inner_blocks(x)

    def _outer_blocks(self, x: jax.Array) -> Iterator[tuple[str, jax.Array]]:
        """Yields the blocks that process groups: [group * row, time, bin, channel]."""
        x = self.base_conv_first(x)
        yield "base_conv_first", x
        for level, unit in enumerate(self.units[: self.apart_levels]):
            x = unit(x)
            yield f"encoder_{level}", x

    def _inner_blocks(self, x: jax.Array) -> Iterator[tuple[str, jax.Array]]:
        """Yields the blocks that process all channels: [group * row, ...] to [row, ...]."""
        x = join(x, self.splits)
        for level, unit in enumerate(self.units[self.apart_levels :], self.apart_levels):
            x = unit(x)
            yield f"encoder_{level}", x
        x = self.bottleneck(x)
        yield "bottleneck", x
        yield "output_convs", self.output_convs(x.reshape(*x.shape[:2], 1, -1))


class OutputConvs(nnx.Module):
    """The last layer of the encoder: the sum of a linear map and a small perceptron.

    Shapes: [row, frame, 1, bottom_bin * channel] to [row, frame, 1, feature].
    """

    def __init__(self, width: int, features: int, *, rngs: nnx.Rngs) -> None:
        self.conv1x1_last = Pointwise(width, features, rngs=rngs)
        self.conv1x1_b1 = Pointwise(width, width, rngs=rngs)
        self.conv1x1_b2 = Pointwise(width, features, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Applies the layer."""
        return self.conv1x1_last(x) + self.conv1x1_b2(nnx.elu(self.conv1x1_b1(nnx.elu(x))))
