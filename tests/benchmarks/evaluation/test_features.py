"""The features of windows."""

import numpy as np
import pytest
from evaluation.features import (
    BEATS,
    TEMPOS_BPM,
    FeatureExtractor,
    autocorrelation,
    joined,
    pulse,
)

RATE_HZ = 16_000


def clicks(tempo_bpm: float, seconds: float = 8.0) -> np.ndarray:
    """A short noise on every beat, over quieter noise."""
    draw = np.random.default_rng(0)
    audio = 0.001 * draw.normal(size=round(seconds * RATE_HZ))
    for beat in np.arange(0, seconds - 0.05, 60 / tempo_bpm):
        start = round(beat * RATE_HZ)
        audio[start : start + 400] += 0.3 * draw.normal(size=400)
    return np.stack([audio, audio], axis=1).astype(np.float32)


@pytest.mark.parametrize("tempo_bpm", [70, 97, 128, 171])
def test_onsets_correlate_most_one_beat_later(tempo_bpm):
    features = FeatureExtractor(RATE_HZ)([clicks(tempo_bpm)])
    at_a_beat = features.pulse[0][:, BEATS.index(1)]
    nearest = np.argmin(np.abs(TEMPOS_BPM - tempo_bpm))
    doubled = np.abs(np.log2(TEMPOS_BPM / tempo_bpm)) < 0.5  # half the tempo is as good
    assert abs(np.argmax(np.where(doubled, at_a_beat, -1)) - nearest) <= 3
    assert at_a_beat[nearest] > 0.5


def test_features_of_a_window_do_not_depend_on_others():
    extractor = FeatureExtractor(RATE_HZ)
    one, other = clicks(80), clicks(150)
    both, apart = extractor([one, other]), joined([extractor([w]) for w in (one, other)])
    np.testing.assert_array_equal(both.sound, apart.sound)
    np.testing.assert_array_equal(both.pulse, apart.pulse)
    np.testing.assert_array_equal(both[np.array([1])].sound, extractor([other]).sound)


def test_silence_has_finite_features_and_no_pulse():
    features = FeatureExtractor(RATE_HZ)([np.zeros((8 * RATE_HZ, 2), np.float32)])
    assert np.isfinite(features.sound).all()
    assert (features.pulse == 0).all()


def test_autocorrelation_is_1_at_multiples_of_the_period():
    lags = autocorrelation(np.tile([1.0, 0, 0, 0], 25))
    assert lags[0] == pytest.approx(1)
    assert lags[[4, 8, 40]] == pytest.approx(1, abs=0.05)
    assert lags[[1, 2, 3]].max() < 0


def test_pulse_has_a_value_for_every_tempo_group_and_beat():
    rise = np.random.default_rng(0).random((500, 64), np.float32)
    assert pulse(rise).shape == (len(TEMPOS_BPM), 3 * len(BEATS))
