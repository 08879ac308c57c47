"""Stereo image, attacks and held notes of known sounds."""

import numpy as np
import pytest
from evaluation.measures.codec_sound import attacks_db, side_over_mid_db, sound_rows, wobble_db

RATE_HZ = 48_000
SECOND = np.arange(RATE_HZ) / RATE_HZ
TONE = np.sin(2 * np.pi * 937.5 * SECOND)


def stereo(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.stack([left, right], axis=1).astype(np.float32)


@pytest.mark.parametrize(("right", "ratio"), [(0.0, 0.0), (0.5, -9.54), (-0.5, 9.54)])
def test_side_over_mid_is_the_ratio_of_energies(right, ratio):
    assert side_over_mid_db(stereo(TONE, right * TONE)) == pytest.approx(ratio, abs=0.01)


def bursts(seconds_of_rise: float) -> np.ndarray:
    """Noise at -40 dB that rises by 30 dB, three times a second."""
    at = SECOND % (1 / 3)
    rising = np.clip((at - 0.1) / seconds_of_rise, 0, 1) * (at < 0.25)
    noise = np.random.default_rng(0).standard_normal(RATE_HZ)
    return stereo(*[10 ** ((-40 + 30 * rising) / 20) * noise] * 2)


def test_slower_attacks_rise_less_in_10_ms():
    sharp, soft = bursts(0.002), bursts(0.04)
    same, softened = attacks_db(sharp, sharp, RATE_HZ), attacks_db(sharp, soft, RATE_HZ)
    assert len(same) == len(softened) == 3
    np.testing.assert_allclose(same, 30, atol=2)
    np.testing.assert_allclose(softened[:, 1], 7.5, atol=2.5)


def test_wobble_is_the_deviation_of_held_partials():
    swelling = 10 ** (2 * np.sin(2 * np.pi * 5 * SECOND) / 20)
    found = wobble_db(stereo(TONE, TONE), stereo(swelling * TONE, swelling * TONE))
    np.testing.assert_allclose(found[:, 0], 0, atol=0.01)
    np.testing.assert_allclose(found[:, 1], 2 / np.sqrt(2), atol=0.15)


def test_partials_that_the_original_does_not_hold_are_left_out():
    fading = 10 ** (-40 * SECOND / 20)
    assert len(wobble_db(stereo(fading * TONE, fading * TONE), stereo(TONE, TONE))) == 0


def test_rows_hold_means_of_original_and_decoded():
    half = stereo(TONE, 0 * TONE), stereo(TONE, 0.5 * TONE)
    row = sound_rows([half, half], RATE_HZ)[0]
    assert row["original"] == pytest.approx(0, abs=0.01)
    assert row["decoded"] == pytest.approx(-9.54, abs=0.01)
