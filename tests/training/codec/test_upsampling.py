"""The cheap gradient of upsampling is the gradient."""

import jax
import numpy as np
import pytest

from soundstage.stages.spectrostream.blocks import upsample_by_phases
from soundstage.training.codec.upsampling import upsample


@pytest.mark.parametrize(
    ("taps", "stride"), [((3, 4), (1, 2)), ((3, 6), (1, 3)), ((4, 4), (2, 2)), ((4, 3), (2, 1))]
)
def test_upsampling_has_the_output_and_gradients_of_phases(taps, stride):
    draw = np.random.default_rng(0)
    x, kernel, gradient = (
        draw.standard_normal(shape).astype(np.float32)
        for shape in ((2, 5, 6, 4), (*taps, 4, 3), (2, 5 * stride[0], 6 * stride[1], 3))
    )
    results = []
    for function in (upsample, upsample_by_phases):

        @jax.jit
        def both(x, kernel, gradient, function=function):
            y, pull = jax.vjp(lambda x, kernel: function(x, kernel, stride), x, kernel)
            return y, *pull(gradient)

        results.append(both(x, kernel, gradient))
    np.testing.assert_array_equal(results[0][0], results[1][0])
    for left, right in zip(results[0][1:], results[1][1:], strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-4)
