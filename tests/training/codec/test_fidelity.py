"""The distances of audio, and the spectra they are computed from."""

import numpy as np
import pytest

from soundstage.training.codec.fidelity import distances, si_sdr_db
from soundstage.training.codec.spectra import complex_spectra, magnitude, mel_bands, with_mid_side

RATE = 48_000


def tone(hz=1000.0, seconds=0.5):
    time = np.arange(int(seconds * RATE)) / RATE
    wave = 0.5 * np.sin(2 * np.pi * hz * time)
    return np.stack([wave, 0.5 * wave], axis=1).astype(np.float32)


def noise(seed=0):
    return np.random.default_rng(seed).standard_normal((RATE // 2, 2)).astype(np.float32)


def test_equal_audio_has_distance_zero():
    # Not exactly: some versions of XLA compile the spectra of the two arguments differently.
    spectral, mel, sdr = distances(tone(), tone(), RATE)
    assert spectral == pytest.approx(0, abs=1e-3)
    assert mel == pytest.approx(0, abs=1e-4)
    assert sdr > 100


def test_doubled_amplitude_is_6_db_away_and_keeps_si_sdr():
    spectral, mel, sdr = distances(2 * noise(), noise(), RATE)
    assert spectral == pytest.approx(6.02, abs=0.05)
    assert mel == pytest.approx(np.log(2), abs=0.01)
    assert sdr > 100


def test_si_sdr_is_the_ratio_of_signal_to_added_noise():
    reference, added = noise(0), 0.1 * noise(1)
    assert si_sdr_db(reference + added, reference) == pytest.approx(20, abs=0.3)
    assert si_sdr_db(noise(1), noise(0)) < -20


def test_full_scale_tone_has_magnitude_1():
    spectrum = np.asarray(magnitude(complex_spectra(2 * tone()[None], 2048)))
    assert spectrum[0, 5, :, 0].max() == pytest.approx(1, abs=0.15)


def test_mid_and_side_follow_left_and_right():
    both = np.asarray(with_mid_side(np.asarray([[3.0, 1.0]], np.float32)))
    np.testing.assert_allclose(both, [[3, 1, 2, 1]])


@pytest.mark.parametrize(("bands", "bins"), [(96, 1024), (32, 128), (64, 480)])
def test_mel_bands_sum_to_1_and_ascend(bands, bins):
    filters = mel_bands(bands, bins, RATE)
    assert filters.shape == (bins, bands)
    np.testing.assert_allclose(filters.sum(axis=0), 1, rtol=1e-5)
    centres = (filters * np.arange(bins)[:, None]).sum(axis=0)
    assert (np.diff(centres) >= 0).all()
