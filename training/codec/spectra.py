"""Spectra for losses and measurements: magnitudes at any window, and mel bands."""

import jax
import jax.numpy as jnp
import numpy as np

from soundstage.stages.spectrostream.stft import Stft

# Below this a magnitude counts as silence: about -100 dB of a full-scale tone.
FLOOR = 1e-5


def complex_spectra(audio: jax.Array, window_samples: int) -> jax.Array:
    """Spectra of Hann windows that overlap by half, scaled so that a full-scale tone gives 1.

    Args:
        audio: float32 [row, sample, channel].
        window_samples: even; longer windows resolve frequencies more finely.

    Returns:
        complex64 [row, frame, bin, channel], the Nyquist bin left out.
    """
    stft = Stft(window_samples, window_samples // 2, window_samples)
    return as_complex(stft.forward(audio)) * (4 / window_samples)


def as_complex(features: jax.Array) -> jax.Array:
    """Joins alternating real and imaginary parts of channels: [..., 2n] to complex64 [..., n]."""
    pairs = features.reshape(*features.shape[:-1], -1, 2)
    return jax.lax.complex(pairs[..., 0], pairs[..., 1])


def magnitude(spectrum: jax.Array) -> jax.Array:
    """Returns the magnitude of complex numbers, at least `FLOOR`, with a gradient at 0."""
    return jnp.sqrt(jnp.square(spectrum.real) + jnp.square(spectrum.imag) + FLOOR**2)


def with_mid_side(x: jax.Array) -> jax.Array:
    """Adds mid and side to left and right: [..., 2] to [..., 4]; other widths are unchanged.

    The stereo width is a small part of left and right, but all of side.
    """
    if x.shape[-1] != 2:
        return x
    left, right = x[..., :1], x[..., 1:]
    return jnp.concatenate([x, (left + right) / 2, (left - right) / 2], axis=-1)


def mel_bands(bands: int, bins: int, sample_rate_hz: int) -> np.ndarray:
    """Makes triangular filters that sum frequency bins into bands of equal width in mel.

    Args:
        bands: number of bands.
        bins: number of bins, from DC to below the Nyquist frequency.
        sample_rate_hz: the sample rate of the audio.

    Returns:
        float32 [bin, band]; every band sums to 1, and a band narrower than a bin takes the
        nearest bin.
    """
    bin_hz = sample_rate_hz / 2 / bins
    highest_mel = 2595 * np.log10(1 + sample_rate_hz / 2 / 700)
    edges_hz = 700 * (10 ** (np.linspace(0, highest_mel, bands + 2) / 2595) - 1)
    places = np.arange(bins)[:, None] * bin_hz
    low, middle, high = edges_hz[:-2], edges_hz[1:-1], edges_hz[2:]
    rising, falling = (places - low) / (middle - low), (high - places) / (high - middle)
    triangles = np.maximum(np.minimum(rising, falling), 0)
    nearest = np.minimum(np.round(middle / bin_hz).astype(int), bins - 1)
    empty = triangles.sum(axis=0) < 1e-6
    triangles[nearest[empty], np.flatnonzero(empty)] = 1
    return (triangles / triangles.sum(axis=0)).astype(np.float32)


def log_mel(magnitudes: jax.Array, bands: int, sample_rate_hz: int) -> jax.Array:
    """Returns the natural logarithm of mel band magnitudes, [row, frame, band, channel]."""
    filters = mel_bands(bands, magnitudes.shape[2], sample_rate_hz)
    mel = jnp.einsum("rtfc,fm->rtmc", magnitudes, jnp.asarray(filters))
    return jnp.log(mel + FLOOR)
