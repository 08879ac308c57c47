"""The building blocks of the codec's networks: convolutions and residual units.

Arrays are [row, time, bin, channel]. Convolutions and residual units are causal in time, except
the encoder's strided ones, which see the input up to the end of their own output step.
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax

from soundstage.stages.spectrostream.config import UnitShape

# Without this, GPUs round the factors of float32 products to 10 bits.
PRECISION = lax.Precision.HIGHEST

# A transposed convolution: (x, kernel, stride) -> [row, time * stride, bin * stride, channel].
Upsample = Callable[[jax.Array, jax.Array, tuple[int, int]], jax.Array]
# A convolution: (x, kernel, stride, padding), as `convolve`.
Convolve = Callable[
    [jax.Array, jax.Array, tuple[int, int], tuple[tuple[int, int], tuple[int, int]]], jax.Array
]


def convolve(
    x: jax.Array,
    kernel: jax.Array,
    stride: tuple[int, int],
    padding: tuple[tuple[int, int], tuple[int, int]],
) -> jax.Array:
    """Convolves over time and bins; `padding` is (before, after) of time, then of bins."""
    return lax.conv_general_dilated(
        x, kernel, stride, padding, dimension_numbers=("NHWC", "HWIO", "NHWC"), precision=PRECISION
    )


def unit_taps(stride: tuple[int, int]) -> tuple[int, int]:
    """Returns the taps, along time and bins, of the convolution that has the stride."""
    return max(3, 2 * stride[0]), max(3, 2 * stride[1])


class Conv(nnx.Module):
    """A convolution, causal in time and centred in frequency, with zeros beyond the edges.

    Shapes: [row, time, bin, width_in] to [row, ceil(time / stride), bin / stride, width_out].
    Source: the SpectroStream spec, section 4.
    """

    def __init__(
        self,
        width_in: int,
        width_out: int,
        taps: tuple[int, int],
        stride: tuple[int, int] = (1, 1),
        *,
        rngs: nnx.Rngs,
    ) -> None:
        self.stride, self.taps = stride, taps
        self.convolve: Convolve = convolve
        self.kernel, self.bias = _parameters(taps, width_in, width_out, rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Applies the convolution."""
        return self.continued(x, 0)

    def continued(self, x: jax.Array, earlier: int) -> jax.Array:
        """Applies the convolution to the steps behind the first `earlier`, at most all it sees."""
        (time_taps, bin_taps), (time_stride, bin_stride) = self.taps, self.stride
        past = max(time_taps - time_stride, 0) - earlier
        around = max(bin_taps - bin_stride, 0)
        padding = ((past, time_taps - 1 - past - earlier), (around // 2, around - around // 2))
        return _with_bias(self.convolve(x, self.kernel[...], self.stride, padding), self.bias)


class Pointwise(nnx.Module):
    """A linear map of the channels, stored as a 1x1 convolution.

    Shapes: [row, time, bin, width_in] to [row, time, bin, width_out].
    """

    def __init__(self, width_in: int, width_out: int, *, rngs: nnx.Rngs) -> None:
        self.kernel, self.bias = _parameters((1, 1), width_in, width_out, rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Applies the map."""
        mapped = lax.dot_general(
            x, self.kernel[...][0, 0], (((x.ndim - 1,), (0,)), ((), ())), precision=PRECISION
        )
        return _with_bias(mapped, self.bias)


class TransposedConv(nnx.Module):
    """A transposed convolution: every input step is spread over the taps.

    Shapes: [row, time, bin, width_in] to [row, time * stride, bin * stride, width_out].
    Source: the SpectroStream spec, section 4, "tconv".
    """

    def __init__(self, shape: UnitShape, *, upsample: "Upsample", rngs: nnx.Rngs) -> None:
        self.stride, self.taps = shape.stride, unit_taps(shape.stride)
        self.upsample = upsample
        self.convolve: Convolve = convolve
        self.kernel, self.bias = _parameters(self.taps, shape.width_in, shape.width_out, rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Applies the transposed convolution."""
        return _with_bias(self.upsample(x, self.kernel[...], self.stride), self.bias)

    def continued(self, x: jax.Array, earlier: int) -> jax.Array:
        """Applies it by phases to the steps behind the first `earlier`, at most all it sees.

        The kernel is by phases already; see `phase_kernel`.
        """
        y = convolve_phases(x, self.kernel[...], self.taps, self.stride, earlier, self.convolve)
        return _with_bias(y, self.bias)


def upsample_by_phases(x: jax.Array, kernel: jax.Array, stride: tuple[int, int]) -> jax.Array:
    """Computes a transposed convolution as one ordinary convolution with a channel block per phase.

    Output step `q * stride + phase` is a correlation of the input around q with every stride-th
    tap. No inserted zeros are multiplied.

    Args:
        x: float32 [row, time, bin, in].
        kernel: float32 [time tap, bin tap, in, out], as published.
        stride: output steps per input step, along time and along bins.

    Returns:
        float32 [row, time * stride, bin * stride, out].
    """
    time_taps, bin_taps = kernel.shape[:2]
    return convolve_phases(x, phase_kernel(kernel, stride), (time_taps, bin_taps), stride)


def convolve_phases(
    x: jax.Array,
    phases: jax.Array,
    taps: tuple[int, int],
    stride: tuple[int, int],
    earlier: int = 0,
    convolve: Convolve = convolve,
) -> jax.Array:
    """Computes a transposed convolution whose kernel is by phases.

    Args:
        x: float32 [row, time, bin, in].
        phases: as `phase_kernel` returns it.
        taps: taps of the kernel as published, along time and along bins.
        stride: output steps per input step, along time and along bins.
        earlier: steps at the start of x that are seen, but have no outputs of their own.
        convolve: convolves.

    Returns:
        float32 [row, (time - earlier) * stride, bin * stride, out].
    """
    rows, times, bins, _ = x.shape
    time_stride, bin_stride = stride
    width = phases.shape[-1] // math.prod(stride)
    times -= earlier
    time_plan = PhasePlan(taps[0], time_stride, times, crop=0)
    before, after = time_plan.padding
    plan = bin_plan(taps[1], bin_stride, bins)
    y = convolve(x, phases, (1, 1), ((before - earlier, after), plan.padding))
    y = y.reshape(rows, time_plan.steps, plan.steps, time_stride, bin_stride, width)
    if time_stride > 1:
        y = jnp.swapaxes(y, 2, 3)
    y = y.reshape(rows, time_plan.steps * time_stride, plan.steps * bin_stride, width)
    return y[
        :,
        time_plan.crop : time_plan.crop + times * time_stride,
        plan.crop : plan.crop + bins * bin_stride,
    ]


class PhasePlan:
    """The plan for one axis of a transposed convolution, computed phase by phase.

    Attributes:
        steps: number of input positions to correlate at.
        padding: zeros before and after the input.
        crop: outputs to cut in front after the phases are interleaved.
    """

    def __init__(self, taps: int, stride: int, length: int, crop: int) -> None:
        skipped, self.crop = divmod(crop, stride)
        self.steps = -(-(length * stride + self.crop) // stride)
        self.padding = (-(-taps // stride) - 1 - skipped, self.steps + skipped - length)


def bin_plan(taps: int, stride: int, bins: int) -> PhasePlan:
    """Returns the plan for bins, whose outputs are centred."""
    return PhasePlan(taps, stride, bins, crop=taps - 1 - -(-(taps + stride - 2) // 2))


def phase_kernel(kernel: jax.Array, stride: tuple[int, int]) -> jax.Array:
    """Returns the ordinary convolution's kernel: zeros in front make all phases equally long.

    Args:
        kernel: float32 [time tap, bin tap, in, out], as published.
        stride: output steps per input step, along time and along bins.

    Returns:
        float32 [time tap of a phase, bin tap of a phase, in, phase * out].
    """
    *taps, width_in, width_out = kernel.shape
    times, bins = (-(-count // step) for count, step in zip(taps, stride, strict=True))
    missing = times * stride[0] - taps[0], bins * stride[1] - taps[1]
    whole = jnp.pad(kernel, ((missing[0], 0), (missing[1], 0), (0, 0), (0, 0)))
    split = whole.reshape(times, stride[0], bins, stride[1], width_in, width_out)
    by_phase = split[:, ::-1, :, ::-1].transpose(0, 2, 4, 1, 3, 5)
    return by_phase.reshape(times, bins, width_in, -1)


class EncoderUnit(nnx.Module):
    """A residual unit that merges `stride` steps into one.

    Shapes: [row, time, bin, width_in] to [row, ceil(time / stride), bin / stride, width_out].
    Source: the SpectroStream spec, section 4, "Encoder unit".
    """

    def __init__(self, shape: UnitShape, *, rngs: nnx.Rngs) -> None:
        width, out, stride = shape.width_in, shape.width_out, shape.stride
        self.stride = stride
        self.first = Conv(width, width, (3, 3), rngs=rngs)
        self.second = Conv(width, out, unit_taps(stride), stride, rngs=rngs)
        self.shortcut = Pointwise(width, out, rngs=rngs) if shape.projects else None

    def __call__(self, x: jax.Array) -> jax.Array:
        """Applies the unit: the sum of body and shortcut."""
        body = self.second(nnx.elu(self.first(nnx.elu(x))))
        pooled = _mean_pool(x, self.stride)
        return body + (self.shortcut(pooled) if self.shortcut else pooled)


class DecoderUnit(nnx.Module):
    """A residual unit that turns one step into `stride` steps.

    Shapes: [row, time, bin, width_in] to [row, time * stride, bin * stride, width_out].
    Source: the SpectroStream spec, section 4, "Decoder unit".
    """

    def __init__(self, shape: UnitShape, *, upsample: Upsample, rngs: nnx.Rngs) -> None:
        width, out = shape.width_in, shape.width_out
        self.stride = shape.stride
        self.first: Conv | TransposedConv
        if shape.stride == (1, 1):
            self.first = Conv(width, out, (3, 3), rngs=rngs)
        else:
            self.first = TransposedConv(shape, upsample=upsample, rngs=rngs)
        self.second = Conv(out, out, (3, 3), rngs=rngs)
        self.shortcut = Pointwise(width, out, rngs=rngs) if shape.projects else None

    def __call__(self, x: jax.Array) -> jax.Array:
        """Applies the unit: the sum of body and shortcut."""
        body = self.second(nnx.elu(self.first(nnx.elu(x))))
        return body + repeat(self.shortcut(x) if self.shortcut else x, self.stride)


def _mean_pool(x: jax.Array, stride: tuple[int, int]) -> jax.Array:
    """Averages over windows of `stride`; a last partial window is filled up with zeros."""
    rows, times, bins, width = x.shape
    time_stride, bin_stride = stride
    x = jnp.pad(x, ((0, 0), (0, -times % time_stride), (0, 0), (0, 0)))
    windows = x.reshape(rows, -1, time_stride, bins // bin_stride, bin_stride, width)
    return windows.sum(axis=(2, 4)) / (time_stride * bin_stride)


def repeat(x: jax.Array, stride: tuple[int, int]) -> jax.Array:
    """Repeats every step of [row, time, bin, channel] `stride` times along time and bins."""
    rows, times, bins, width = x.shape
    time_stride, bin_stride = stride
    spread = jnp.broadcast_to(
        x[:, :, None, :, None], (rows, times, time_stride, bins, bin_stride, width)
    )
    return spread.reshape(rows, times * time_stride, bins * bin_stride, width)


def _parameters(
    taps: tuple[int, int], width_in: int, width_out: int, rngs: nnx.Rngs
) -> tuple[nnx.Param, nnx.Param]:
    kernel = nnx.initializers.lecun_normal()(rngs.params(), (*taps, width_in, width_out))
    return nnx.Param(kernel), nnx.Param(jnp.zeros(width_out))


def _with_bias(x: jax.Array, bias: nnx.Param) -> jax.Array:
    return x + bias[...][None, None, None, :]
