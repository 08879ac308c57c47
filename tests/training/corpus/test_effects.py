"""Effects of the mixer."""

import numpy as np
import pytest

from soundstage.training.corpus.effects import (
    brightened,
    chorused,
    convolved,
    driven,
    ducking,
    echoed,
    fast_size,
    room_response,
    swept,
    widened,
)

RATE_HZ = 48_000


def noise(seconds=1.0):
    samples = round(seconds * RATE_HZ)
    return np.random.default_rng([4]).standard_normal((samples, 2)).astype(np.float32)


def centre_hz(audio):
    power = np.abs(np.fft.rfft(audio[:, 0])) ** 2
    return (power * np.fft.rfftfreq(len(audio), 1 / RATE_HZ)).sum() / power.sum()


def test_brightness_moves_the_spectrum():
    steps = (0.0, 0.25, 0.5, 0.75, 1.0)
    centres = [centre_hz(brightened(noise(), RATE_HZ, brightness)) for brightness in steps]
    assert centres == sorted(centres)
    assert centres[0] < 0.5 * centres[-1]


def test_inaudible_offset_is_removed():
    tone = np.sin(2 * np.pi * 220 * np.arange(RATE_HZ) / RATE_HZ)[:, None] * [0.1, 0.1]
    audio = brightened(tone + 0.5, RATE_HZ, 0.5)
    middle = audio[RATE_HZ // 4 : -RATE_HZ // 4]
    assert abs(middle.mean()) < 0.001
    assert np.abs(middle).max() < 0.15


def test_room_has_the_asked_length_and_no_energy_before_the_sound():
    impulse = np.zeros((2 * RATE_HZ, 2), np.float32)
    impulse[1000] = 1.0
    room = room_response(1.0, 0.0, RATE_HZ, np.random.default_rng([1]))
    sound = convolved(impulse, room)
    assert np.abs(sound[:1000]).max() < 1e-6
    assert (sound**2).sum(0) == pytest.approx([1.0, 1.0], rel=1e-3)
    early, late = (
        (sound[1600 + start : 1600 + start + 4800] ** 2).sum() for start in (0, RATE_HZ // 2)
    )
    # 60 dB a second are 30 dB in half a second.
    assert 10 * np.log10(early / late) == pytest.approx(30.0, abs=1.5)


def test_echoes_come_at_their_time_on_alternating_sides():
    click = np.zeros((RATE_HZ, 2), np.float32)
    click[0, 0] = 1.0
    echoes = echoed(click, 10_000, 0.5, 3)
    places = [tuple(place) for place in np.argwhere(echoes)]
    assert places == [(10_000, 1), (20_000, 0), (30_000, 1)]
    assert echoes[echoes > 0].tolist() == [0.5, 0.25, 0.125]


def test_chorus_makes_a_mono_sound_wide_and_distortion_adds_partials():
    tone = np.sin(2 * np.pi * 220 * np.arange(RATE_HZ) / RATE_HZ).astype(np.float32)
    mono = np.stack([tone, tone], 1)
    wide = chorused(mono, RATE_HZ, 0.7)
    assert np.std(wide[:, 0] - wide[:, 1]) > 0.1
    bent = driven(mono, 12.0)
    third = np.abs(np.fft.rfft(bent[:, 0]))[660] / np.abs(np.fft.rfft(bent[:, 0]))[220]
    assert third > 0.1
    assert np.abs(bent).max() < 1.0


def test_filter_is_closed_at_first_and_open_after_half_a_period():
    audio = swept(noise(2.0), RATE_HZ, 2.0)
    closed, opened = centre_hz(audio[:4800]), centre_hz(audio[RATE_HZ - 2400 : RATE_HZ + 2400])
    assert closed < 0.1 * opened


def test_ducking_is_deepest_at_the_kick_and_recovers():
    gain = ducking([RATE_HZ // 2], RATE_HZ, RATE_HZ, 0.6)[:, 0]
    assert gain[: RATE_HZ // 2].min() == 1.0
    assert gain.min() == pytest.approx(0.4, abs=0.03)
    assert np.argmin(gain) - RATE_HZ // 2 < 0.01 * RATE_HZ
    assert gain[-1] > 0.97
    assert ducking([0], 100, RATE_HZ, 0.0).min() == 1.0


def test_width_scales_the_difference_of_the_channels():
    audio = noise(0.1)
    assert np.ptp(widened(audio, 0.0), axis=1).max() == 0.0
    side = audio[:, 0] - audio[:, 1]
    twice = widened(audio, 2.0)
    np.testing.assert_allclose(twice[:, 0] - twice[:, 1], 2 * side, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [1, 2, 5, 1000, 1_920_000])
def test_fast_size_is_little_larger(size):
    assert size <= fast_size(size) <= 1.34 * size + 1
