"""The building blocks of the codec's networks, against their definitions."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax

from soundstage.stages.spectrostream.blocks import (
    Conv,
    DecoderUnit,
    EncoderUnit,
    TransposedConv,
    unit_taps,
    upsample_by_phases,
)
from soundstage.stages.spectrostream.config import UnitShape
from soundstage.stages.spectrostream.groups import apart, join, split


def noise(seed, *shape):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape), jnp.float32)


@partial(jax.jit, static_argnames="stride")
def upsample_by_zeros(x, kernel, stride):
    """The definition: insert zeros between the steps, then correlate with all taps."""
    (time_taps, bin_taps), (time_stride, bin_stride) = kernel.shape[:2], stride
    around = bin_taps + bin_stride - 2
    before = -(-around // 2)
    return lax.conv_general_dilated(
        x,
        kernel,
        (1, 1),
        ((time_taps - 1, time_stride - 1), (before, around - before)),
        lhs_dilation=stride,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        precision=lax.Precision.HIGHEST,
    )


upsample = partial(jax.jit, static_argnames="stride")(upsample_by_phases)
compute = nnx.jit(lambda module, x: module(x))


def upsample_by_scattering(x, kernel, stride):
    """The scatter form of the SpectroStream spec, section 4, in float64."""
    rows, times, bins, _ = x.shape
    time_taps, bin_taps, _, out = kernel.shape
    crop = bin_taps - 1 - -(-(bin_taps + stride[1] - 2) // 2)
    wide = np.zeros((rows, times * stride[0] + time_taps, bins * stride[1] + bin_taps, out))
    for t in range(times):
        for f in range(bins):
            for o in range(time_taps):
                for p in range(bin_taps):
                    taps = np.asarray(kernel, np.float64)[time_taps - 1 - o, bin_taps - 1 - p]
                    wide[:, t * stride[0] + o, f * stride[1] + p] += x[:, t, f] @ taps
    return wide[:, : times * stride[0], crop : crop + bins * stride[1]]


@given(
    st.integers(0, 99),
    st.tuples(st.integers(1, 3), st.integers(1, 4)),
    st.tuples(st.integers(1, 2), st.integers(1, 5), st.integers(1, 6)),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
)
@settings(max_examples=25)
def test_phases_equal_inserted_zeros(seed, stride, sizes, widths):
    x = noise(seed, *sizes, widths[0])
    kernel = noise(seed + 1, *unit_taps(stride), *widths)
    expected = upsample_by_zeros(x, kernel, stride)
    result = upsample(x, kernel, stride)
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("stride", [(1, 3), (2, 2), (2, 1), (1, 2)])
def test_phases_equal_the_scatter_form(stride):
    x, kernel = noise(2, 1, 3, 4, 2), noise(3, *unit_taps(stride), 2, 3)
    expected = upsample_by_scattering(np.asarray(x, np.float64), kernel, stride)
    np.testing.assert_allclose(upsample(x, kernel, stride), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("taps", "stride"), [((4, 5), (2, 3)), ((5, 4), (2, 2)), ((3, 3), (1, 1)), ((1, 1), (2, 3))]
)
def test_phases_of_unequal_numbers_of_taps_equal_inserted_zeros(taps, stride):
    x, kernel = noise(4, 2, 4, 5, 3), noise(5, *taps, 3, 2)
    expected = upsample_by_zeros(x, kernel, stride)
    np.testing.assert_allclose(upsample(x, kernel, stride), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("taps", "stride", "times", "bins"),
    [
        ((3, 3), (1, 1), 5, 6),
        ((7, 7), (1, 1), 5, 6),
        ((4, 4), (2, 2), 5, 6),
        ((3, 6), (1, 3), 5, 6),
    ],
)
def test_convolution_pads_as_the_spec_says(taps, stride, times, bins):
    conv = Conv(2, 3, taps, stride, rngs=nnx.Rngs(0))
    conv.bias.set_value(noise(9, 3))
    x = noise(1, 1, times, bins, 2)
    result = np.asarray(compute(conv, x))
    before_time = max(taps[0] - stride[0], 0)
    before_bin = max(taps[1] - stride[1], 0) // 2
    padded = np.pad(np.asarray(x, np.float64), ((0, 0), (before_time, 8), (before_bin, 8), (0, 0)))
    assert result.shape == (1, -(-times // stride[0]), bins // stride[1], 3)
    for t, f in np.ndindex(result.shape[1:3]):
        window = padded[0, t * stride[0] :, f * stride[1] :][: taps[0], : taps[1]]
        expected = np.einsum("tfi,tfio->o", window, np.asarray(conv.kernel[...])) + conv.bias[...]
        np.testing.assert_allclose(result[0, t, f], expected, atol=1e-5)


@pytest.mark.parametrize("stride", [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2)])
def test_decoder_unit_is_causal(stride):
    unit = DecoderUnit(
        UnitShape(3, 2, stride, projects=True), upsample=upsample_by_phases, rngs=nnx.Rngs(0)
    )
    x = noise(0, 1, 6, 4, 3)
    changed = x.at[:, 4:].add(1.0)
    steps = 4 * stride[0]
    result, other = np.asarray(compute(unit, x)), np.asarray(compute(unit, changed))
    assert result.shape == (1, 6 * stride[0], 4 * stride[1], 2)
    np.testing.assert_allclose(result[:, :steps], other[:, :steps], atol=1e-6)
    assert not np.allclose(result[:, steps:], other[:, steps:])


@pytest.mark.parametrize("times", [1, 4, 5])
def test_encoder_unit_counts_a_missing_step_as_zero(times):
    unit = EncoderUnit(UnitShape(2, 2, (2, 2), projects=False), rngs=nnx.Rngs(0))
    zeros = jax.tree.map(jnp.zeros_like, nnx.state(unit))
    nnx.update(unit, zeros)
    x = noise(0, 1, times, 4, 2)
    whole = np.pad(np.asarray(x), ((0, 0), (0, times % 2), (0, 0), (0, 0)))
    expected = whole.reshape(1, -1, 2, 2, 2, 2).mean(axis=(2, 4))
    np.testing.assert_allclose(compute(unit, x), expected, atol=1e-6)


def test_shortcut_repeats_its_nearest_neighbour():
    unit = DecoderUnit(
        UnitShape(2, 2, (2, 3), projects=False), upsample=upsample_by_phases, rngs=nnx.Rngs(0)
    )
    nnx.update(unit, jax.tree.map(jnp.zeros_like, nnx.state(unit)))
    x = noise(0, 1, 2, 3, 2)
    np.testing.assert_array_equal(
        compute(unit, x), np.asarray(x).repeat(2, axis=1).repeat(3, axis=2)
    )


def test_bias_of_a_transposed_convolution_is_added_once():
    conv = TransposedConv(
        UnitShape(1, 2, (2, 2), projects=True), upsample=upsample_by_phases, rngs=nnx.Rngs(0)
    )
    conv.bias.set_value(jnp.asarray([1.0, -2.0]))
    np.testing.assert_array_equal(conv(jnp.zeros((1, 2, 2, 1)))[0, 0, 0], [1.0, -2.0])
    assert np.ptp(conv(jnp.zeros((1, 2, 2, 1))), axis=(0, 1, 2)).max() == 0


def test_split_groups_join_to_the_original():
    x = noise(0, 2, 3, 4, 6)
    parts = split(x, 2)
    np.testing.assert_array_equal(apart(parts, 2)[0], x[..., :3])
    np.testing.assert_array_equal(apart(parts, 2)[1], x[..., 3:])
    np.testing.assert_array_equal(join(parts, 2), x)
    assert apart(split(x, 1), 1).shape == x.shape
