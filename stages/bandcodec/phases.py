"""Reconstruction of phases from magnitudes.

Single-pass spectrum inversion (Beauregard, Harish and Wyse, 2015) makes the first guess: between
two spectra the phase of a partial advances by its frequency, which follows from the shape of its
peak, and the bins around the peak advance alike. The fast Griffin-Lim iteration (Perraudin, Balazs
and Soendergaard, 2013) then makes overlapping spectra consistent with each other.
"""

from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from soundstage.stages.bandcodec.measures import Measures
from soundstage.stages.bandcodec.spectra import Spectra

# How far an iteration goes beyond its projection.
MOMENTUM = 0.9
TINY = 1e-9
TURN = float(2 * np.pi)
# The spectra of an iteration, and the consistent spectra nearest to the ones before.
_Iterate: TypeAlias = tuple[jax.Array, jax.Array]


def advance(magnitudes: jax.Array, measures: Measures) -> tuple[jax.Array, jax.Array]:
    """Finds every bin's peak and the phase by which that peak advances in one hop.

    Args:
        magnitudes: float32 [hop, bin].
        measures: window and hop.

    Returns:
        The peak's bin, int32 [hop, bin]; the advance, float32 [hop, bin], radians in [0, 2 pi).
    """
    bins = magnitudes.shape[1]
    around = jnp.pad(magnitudes, ((0, 0), (1, 1)))
    left, right = around[:, :-2], around[:, 2:]
    number = jnp.broadcast_to(jnp.arange(bins, dtype=jnp.int32), magnitudes.shape)
    is_peak = (magnitudes > left) & (magnitudes >= right)
    before = lax.cummax(jnp.where(is_peak, number, -bins), axis=1)
    after = lax.cummin(jnp.where(is_peak, number, 2 * bins), axis=1, reverse=True)
    peak = jnp.where(number - before <= after - number, before, after)
    peak = jnp.clip(peak, 0, bins - 1)
    loudness = jnp.log(around + TINY)
    low, mid, high = loudness[:, :-2], loudness[:, 1:-1], loudness[:, 2:]
    curve = jnp.minimum(low - 2 * mid + high, -1e-6)
    offset = jnp.clip(0.5 * (low - high) / curve, -0.5, 0.5)  # of the parabola's top, in bins
    per_bin = measures.hop_samples / measures.window_samples
    turns = (number.astype(jnp.float32) + offset) * per_bin
    moved = TURN * (turns - jnp.floor(turns))
    return peak, jnp.take_along_axis(moved, peak, axis=1)


def continued_phases(magnitudes: jax.Array, before: jax.Array, measures: Measures) -> jax.Array:
    """Continues the phases of a spectrum through the spectra that follow it.

    Args:
        magnitudes: float32 [hop, bin].
        before: float32 [bin], radians; the phases of the spectrum before the first.
        measures: window and hop.

    Returns:
        float32 [hop, bin], radians.
    """

    def step(phase: jax.Array, x: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        peak, moved = x
        phase = phase[peak] + moved
        phase = jnp.where(phase > TURN, phase - TURN, phase)
        return phase, phase

    return lax.scan(step, before, advance(magnitudes, measures))[1]


def consistent(
    fixed: jax.Array, magnitudes: jax.Array, phases: jax.Array, spectra: Spectra, iterations: int
) -> jax.Array:
    """Adjusts phases until overlapping spectra are nearly consistent.

    Args:
        fixed: complex64 [fixed_hop, bin]; spectra in front, which do not change.
        magnitudes: float32 [hop, bin].
        phases: float32 [hop, bin]; the first guess.
        spectra: the transform.
        iterations: number of iterations.

    Returns:
        complex64 [fixed_hop + hop, bin].
    """
    count = len(fixed)

    def whole(current: jax.Array) -> jax.Array:
        return jnp.concatenate([fixed, current])

    def step(state: _Iterate, _: None) -> tuple[_Iterate, None]:
        current, last = state
        near = spectra.forward(spectra.inverse(whole(current)))[count:]
        ahead = near + jnp.asarray(MOMENTUM, jnp.complex64) * (near - last)
        scale = magnitudes / jnp.maximum(jnp.abs(ahead), TINY)
        return (lax.complex(scale * ahead.real, scale * ahead.imag), near), None

    start = lax.complex(magnitudes * jnp.cos(phases), magnitudes * jnp.sin(phases))
    (current, _), _ = lax.scan(step, (start, jnp.zeros_like(start)), length=iterations)
    return whole(current)
