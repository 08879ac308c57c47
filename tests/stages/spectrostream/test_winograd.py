"""Convolutions by tiles equal direct ones but for rounding."""

import jax
import numpy as np
import pytest

from soundstage.stages.spectrostream.blocks import convolve
from soundstage.stages.spectrostream.winograd import convolve_by_tiles, transform


@pytest.mark.parametrize(("bin_taps", "times", "bins"), [(2, 4, 6), (3, 12, 7)])
def test_tiles_equal_a_direct_convolution(bin_taps, times, bins):
    draw = np.random.default_rng(0)
    x = draw.standard_normal((2, times, bins, 5), np.float32)
    kernel = draw.standard_normal((3, bin_taps, 5, 3), np.float32)
    padding = ((2, 0), (1, bin_taps - 2))
    tiled, direct = (
        np.asarray(function(x, kernel))
        for function in (
            jax.jit(lambda x, kernel: convolve_by_tiles(x, transform(kernel), (1, 1), padding)),
            jax.jit(lambda x, kernel: convolve(x, kernel, (1, 1), padding)),
        )
    )
    assert tiled.shape == direct.shape == (2, times, bins, 3)
    np.testing.assert_allclose(tiled, direct, atol=1e-4)
    assert not np.array_equal(tiled, direct)
