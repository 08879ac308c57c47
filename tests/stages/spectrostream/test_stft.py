"""The transform: reconstruction, padding and layout."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundstage.stages.spectrostream.stft import Stft


class Compiled:
    """A transform whose directions are one program each, not one for each operation."""

    def __init__(self, *sizes):
        transform = Stft(*sizes)
        self.forward, self.inverse = jax.jit(transform.forward), jax.jit(transform.inverse)


CODEC = Compiled(960, 480, 960)


def noise(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def without_nyquist(waveform):
    """The waveform after transform and inverse: every frame loses its alternating part."""
    back = CODEC.inverse(CODEC.forward(waveform))
    return np.asarray(back)[:, : waveform.shape[1]]


@given(st.integers(0, 99), st.sampled_from([1921, 2880, 4000]))
@settings(max_examples=15)
def test_smooth_audio_is_reconstructed_from_the_second_hop_on(seed, samples):
    draw = np.random.default_rng(seed)
    time = np.arange(samples)[:, None] / 48000
    tones = [np.sin(2 * np.pi * f * time + p) for f, p in draw.uniform((50, 0), (18000, 6), (5, 2))]
    waveform = np.sum(tones, axis=0).astype(np.float32)[None] * np.float32([0.2, -0.1])
    # The audio's abrupt end reaches up to the Nyquist bin, which is lost.
    covered = slice(480, samples - 960)
    np.testing.assert_allclose(
        without_nyquist(waveform)[:, covered], waveform[:, covered], atol=1e-4
    )


def test_only_the_nyquist_bin_is_lost():
    # The synthesis windows of two frames add up to an even split of what each frame lost.
    waveform = noise(0, 1, 2400, 1)
    frames = np.stack([np.pad(waveform[0, :, 0], (0, 960))[t * 480 :][:960] for t in range(5)])
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(960) / 960)).astype(np.float64)
    lost = ((frames * window) @ (-1.0) ** np.arange(960))[:, None] * (-1.0) ** np.arange(960) / 960
    power = window[:480] ** 2 + window[480:] ** 2
    synthesis = window / np.tile(power, 2)
    missing = np.zeros(2880)
    for t in range(5):
        missing[t * 480 : t * 480 + 960] += lost[t] * synthesis
    result = without_nyquist(waveform)[0, 480:, 0]
    np.testing.assert_allclose(result, (waveform[0, :, 0] - missing[:2400])[480:], atol=1e-4)


def test_first_hop_is_faded_in():
    back = np.asarray(CODEC.inverse(CODEC.forward(np.ones((1, 4800, 1), np.float32))))
    assert back[0, 0, 0] == 0
    assert np.all(np.diff(back[0, :480, 0]) >= -1e-4)
    np.testing.assert_allclose(back[0, 480:3840, 0], 1, atol=1e-5)


@pytest.mark.parametrize("samples", [1, 479, 480, 481, 960, 2999])
def test_last_partial_hop_is_padded_with_zeros(samples):
    waveform = noise(samples, 1, samples, 2)
    features = np.asarray(CODEC.forward(waveform))
    assert features.shape == (1, -(-samples // 480), 480, 4)
    longer = np.pad(waveform, ((0, 0), (0, 960), (0, 0)))
    np.testing.assert_array_equal(
        np.asarray(CODEC.forward(longer))[:, : features.shape[1]], features
    )


def test_features_are_real_and_imaginary_parts_by_channel():
    waveform = noise(1, 2, 1920, 2)
    features = np.asarray(CODEC.forward(waveform))
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(960) / 960)
    for row, channel in ((0, 0), (1, 1)):
        spectrum = np.fft.rfft(waveform[row, 480:1440, channel] * window)[:480]
        np.testing.assert_allclose(features[row, 1, :, 2 * channel], spectrum.real, atol=1e-3)
        np.testing.assert_allclose(features[row, 1, :, 2 * channel + 1], spectrum.imag, atol=1e-3)


@pytest.mark.parametrize(("window", "hop", "fft"), [(12, 4, 16), (10, 4, 10), (8, 4, 8)])
def test_other_windows_reconstruct_what_they_cover_fully(window, hop, fft):
    transform = Compiled(window, hop, fft)
    waveform = np.cos(2 * np.pi * np.arange(60) / 11).astype(np.float32)[None, :, None]
    back = np.asarray(transform.inverse(transform.forward(waveform)))
    assert back.shape == (1, 60, 1)
    # The lost Nyquist bin of so short a window takes a little of any tone away.
    covered = slice(window, 60 - window)
    np.testing.assert_allclose(back[:, covered], waveform[:, covered], atol=0.02)


def test_samples_where_the_window_is_zero_stay_zero():
    transform = Compiled(8, 8, 8)
    back = np.asarray(transform.inverse(transform.forward(np.ones((1, 24, 1), np.float32))))
    np.testing.assert_array_equal(back[0, ::8, 0], 0)
    assert np.all(np.isfinite(back))


def test_no_frames_give_no_samples():
    assert CODEC.inverse(jnp.zeros((2, 0, 480, 4))).shape == (2, 0, 2)
    assert CODEC.inverse(jnp.zeros((2, 1, 480, 4))).shape == (2, 480, 2)
