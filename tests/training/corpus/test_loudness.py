"""Loudness measurement and limiting."""

import numpy as np
import pytest

from soundstage.training.corpus.loudness import levelled, limited, loudness_lufs

RATE_HZ = 48_000


def sine(frequency_hz, seconds=3.0, level_db=0.0):
    time = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    wave = 10 ** (level_db / 20) * np.sin(2 * np.pi * frequency_hz * time)
    return np.stack([wave, wave], axis=1)


def test_sine_at_997_hz_has_the_loudness_of_the_standard():
    # ITU-R BS.1770-4: 0 dB full scale in one channel reads -3.01 LKFS.
    one = sine(997.0) * [1.0, 0.0]
    assert loudness_lufs(one, RATE_HZ) == pytest.approx(-3.01, abs=0.05)
    assert loudness_lufs(sine(997.0, level_db=-20.0), RATE_HZ) == pytest.approx(-20.0, abs=0.05)


def test_low_frequencies_count_less_and_high_ones_more():
    low, high = (loudness_lufs(sine(f, level_db=-20.0), RATE_HZ) for f in (30.0, 6000.0))
    assert low < -24.0
    assert high == pytest.approx(-20.0 + 3.3, abs=0.2)


def test_silence_between_notes_does_not_count():
    loud = sine(997.0, 4.0, -20.0)
    with_pause = np.concatenate([loud, np.zeros_like(loud)])
    # Only the blocks that reach over the edge differ.
    assert loudness_lufs(with_pause, RATE_HZ) == pytest.approx(-20.0, abs=0.3)


def test_passages_far_softer_than_the_rest_do_not_count():
    loud, soft = sine(997.0, 4.0, -20.0), sine(997.0, 4.0, -45.0)
    assert loudness_lufs(np.concatenate([loud, soft]), RATE_HZ) == pytest.approx(-20.0, abs=0.3)


def test_silence_has_no_loudness():
    silence = np.zeros((RATE_HZ, 2))
    assert loudness_lufs(silence, RATE_HZ) == -np.inf
    with pytest.raises(ValueError, match="silent"):
        levelled(silence, RATE_HZ)


@pytest.mark.parametrize("peak", [1.5, 4.0, 30.0])
def test_limiter_keeps_the_ceiling_and_quiet_samples(peak):
    rng = np.random.default_rng([1])
    audio = 0.1 * rng.standard_normal((RATE_HZ, 2))
    audio[20_000:20_050] = peak
    result = limited(audio, RATE_HZ, -1.5)
    assert np.abs(result).max() <= 10 ** (-1.5 / 20) + 1e-9
    assert np.allclose(result[:15_000], audio[:15_000], rtol=1e-9)


@pytest.mark.parametrize("gain", [0.01, 1.0, 5.0])
def test_every_level_is_brought_to_the_target(gain):
    rng = np.random.default_rng([2])
    audio = gain * 0.1 * rng.standard_normal((2 * RATE_HZ, 2))
    assert loudness_lufs(levelled(audio, RATE_HZ), RATE_HZ) == pytest.approx(-16.0, abs=0.3)
