"""The beat of audio: clicks, bars with a kick, and what has no beat."""

import numpy as np
import pytest

from soundstage.audio.beat import find_beat

RATE_HZ = 48_000
SECONDS = 10.0


def burst(hz, length_s, seed=0):
    time = np.arange(round(length_s * RATE_HZ)) / RATE_HZ
    noise = np.random.default_rng(seed).normal(0, 0.3, len(time)) if hz is None else 0
    tone = 0 if hz is None else np.sin(2 * np.pi * hz * time)
    return (tone + noise) * np.exp(-time / (length_s / 4))


def bars(tempo_bpm, first_s):
    """A kick on every beat, a hat between, and a quiet pad."""
    time = np.arange(round(SECONDS * RATE_HZ)) / RATE_HZ
    audio = 0.05 * np.sin(2 * np.pi * 220 * time)
    beat_s = 60 / tempo_bpm
    for number in range(int((SECONDS - first_s) / beat_s)):
        for offset, sound in ((0, burst(60, 0.15)), (0.5, 0.3 * burst(None, 0.05))):
            start = round((first_s + (number + offset) * beat_s) * RATE_HZ)
            part = audio[start : start + len(sound)]
            part += sound[: len(part)]
    return np.stack([audio, audio], axis=1).astype(np.float32)


@pytest.mark.parametrize("tempo_bpm", [72, 97, 124, 150])
@pytest.mark.parametrize("first_s", [0.05, 0.31])
def test_tempo_and_next_beat_are_found(tempo_bpm, first_s):
    beat = find_beat(bars(tempo_bpm, first_s), RATE_HZ)
    assert beat is not None
    # Twice or half the tempo is the same beat to a listener.
    factor = min(
        (0.5, 1.0, 2.0), key=lambda factor: abs(np.log(beat.tempo_bpm / tempo_bpm / factor))
    )
    assert beat.tempo_bpm / factor == pytest.approx(tempo_bpm, rel=0.005)
    assert 0 <= beat.next_s < 60 / beat.tempo_bpm
    beat_s = 60 / tempo_bpm
    late_s = (SECONDS + beat.next_s - first_s + beat_s / 2) % beat_s - beat_s / 2
    assert abs(late_s) < 0.025


@pytest.mark.parametrize("seed", range(8))
def test_noise_has_no_beat(seed):
    noise = np.random.default_rng(seed).normal(0, 0.1, (round(SECONDS * RATE_HZ), 2))
    assert find_beat(noise.astype(np.float32), RATE_HZ) is None


def test_silence_held_sound_and_a_moment_have_no_beat():
    time = np.arange(round(SECONDS * RATE_HZ)) / RATE_HZ
    held = np.sin(2 * np.pi * 220 * time)[:, None].astype(np.float32)
    assert find_beat(np.zeros_like(held), RATE_HZ) is None
    assert find_beat(held, RATE_HZ) is None
    assert find_beat(bars(120, 0.0)[: 2 * RATE_HZ], RATE_HZ) is None
