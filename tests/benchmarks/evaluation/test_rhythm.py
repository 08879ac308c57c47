"""The beat of audio, as an outside tool hears it."""

import numpy as np
import pytest
from evaluation.measures.rhythm import pulse_clarity, same_tempo, tempo_bpm

RATE_HZ = 48_000


def clicks(bpm: float, seconds: float = 12.0) -> np.ndarray:
    """Short noises on every beat, over a soft noise: float32 [sample, channel]."""
    draw = np.random.default_rng(0)
    audio = 0.01 * draw.standard_normal(round(seconds * RATE_HZ))
    burst = draw.standard_normal(2400) * np.exp(-np.arange(2400) / 400)
    for start in np.arange(0, seconds - 0.1, 60 / bpm) * RATE_HZ:
        audio[round(start) : round(start) + 2400] += burst
    return np.stack([audio, audio], axis=1).astype(np.float32)


@pytest.mark.parametrize("bpm", [84, 120, 174])
def test_clicks_have_a_clear_pulse_and_their_tempo(bpm):
    audio = clicks(bpm)
    assert pulse_clarity(audio, RATE_HZ) > 0.7
    assert same_tempo(bpm, tempo_bpm(audio, RATE_HZ), 0.02)


def test_noise_and_silence_have_no_pulse():
    noise = np.random.default_rng(1).standard_normal((12 * RATE_HZ, 2)).astype(np.float32)
    assert pulse_clarity(noise, RATE_HZ) < 0.2
    assert pulse_clarity(np.zeros_like(noise), RATE_HZ) == 0
    assert tempo_bpm(np.zeros_like(noise), RATE_HZ) == 0


def test_octaves_of_a_tempo_are_the_same_and_others_are_not():
    assert same_tempo(120, 60.5)
    assert same_tempo(120, 238)
    assert same_tempo(120, 124)
    assert not same_tempo(120, 126)
    assert not same_tempo(120, 80)
    assert not same_tempo(120, 0)
