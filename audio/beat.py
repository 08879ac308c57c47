"""Finds the beat of audio: its tempo, and when the next beat falls.

The strength of onsets is correlated with itself for the tempo, then with a row of pulses for the
exact tempo and the moment of the beats, as beat trackers have done since Scheirer (1998).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

HOP_S = 0.01
WINDOW_S = 0.04
BANDS = 24
# The bass, up to bin 4 (100 Hz): its drum tells beats from the moments between them.
LOW_BINS = 5
LOW_WEIGHT = 0.5
# Tempos are looked for in this range; those near the middle are likelier, by octaves.
SLOWEST_BPM, FASTEST_BPM = 55.0, 200.0
LIKELIEST_BPM = 120.0
SPREAD_OCTAVES = 0.9
# Pulses of a rough tempo are matched with tempos up to so much slower and faster.
REFINED = 0.03
# A beat is clear if the onsets' correlation with themselves one to four beats later is so high on
# average; that of noise is below 0.1, and that of music with drums above 0.2.
CLEAR = 0.12
SHORTEST_S = 3.0


@dataclass(frozen=True)
class Beat:
    """A steady beat.

    Attributes:
        tempo_bpm: beats a minute.
        next_s: seconds from the end of the audio to the first beat at or after it, in
            [0, 60 / tempo_bpm).
    """

    tempo_bpm: float
    next_s: float


def find_beat(audio: np.ndarray, rate_hz: int) -> Beat | None:
    """Finds the beat of audio whose tempo is steady.

    Args:
        audio: float32 [sample, channel], 1.0 = full scale; some bars of it are enough.
        rate_hz: samples a second.

    Returns:
        The beat at the end of the audio; None if there is no clear one, or less than 3 s.
    """
    if len(audio) < SHORTEST_S * rate_hz:
        return None
    onsets, low = onset_strengths(audio.mean(axis=1), rate_hz)
    if not onsets.any():
        return None
    onsets = onsets + LOW_WEIGHT * low
    rough_s, correlation = _rough_period_s(onsets / onsets.std())
    if correlation < CLEAR:
        return None
    period_s, first_s = _matched(onsets, rough_s)
    left_s = (first_s - len(audio) / rate_hz) % period_s
    return Beat(60 / period_s, left_s)


def onset_strengths(mono: np.ndarray, rate_hz: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns how much louder each moment is than the one before: in all bands, and in the bass.

    Args:
        mono: float32 [sample].
        rate_hz: samples a second.

    Returns:
        Both float64 [moment], one every `HOP_S`, with mean 0 and deviation 1; zeros for silence.
    """
    hop, size = round(HOP_S * rate_hz), round(WINDOW_S * rate_hz)
    padded = np.pad(mono.astype(np.float64), (size // 2, size))
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop][: len(mono) // hop]
    power = np.square(np.abs(np.fft.rfft(frames * np.hanning(size), axis=1)))
    # Bands of equal width in octaves above 100 Hz.
    edges = np.geomspace(100, 0.45 * rate_hz, BANDS) * size / rate_hz
    starts = np.unique(np.concatenate([[0], edges.astype(int)]))
    bands = np.add.reduceat(power, starts, axis=1)
    loudness = np.log10(bands + 1e-5 * bands.max(initial=1e-12))
    rise = np.maximum(np.diff(loudness, axis=0, prepend=loudness[:1]), 0)
    amplitude = np.sqrt(power[:, 1:LOW_BINS].sum(axis=1))
    low = np.maximum(np.diff(amplitude, prepend=amplitude[:1]), 0)
    return _standing_out(rise.sum(axis=1)), _standing_out(low)


def _standing_out(rise: np.ndarray) -> np.ndarray:
    """Keeps what is above the mean around it, scaled to mean 0 and deviation 1."""
    around = round(0.5 / HOP_S)
    local = np.convolve(rise, np.full(2 * around + 1, 1 / (2 * around + 1)), "same")
    strength = np.maximum(rise - local, 0)
    strength -= strength.mean()
    deviation = strength.std()
    return strength / deviation if deviation > 1e-9 else np.zeros_like(strength)


def _rough_period_s(onsets: np.ndarray) -> tuple[float, float]:
    """Returns the beat's likeliest period, and the onsets' correlation one to four beats later."""
    size = len(onsets)
    correlation = np.correlate(onsets, onsets, "full")[size - 1 :] / np.arange(size, 0, -1)
    tempos = np.geomspace(SLOWEST_BPM, FASTEST_BPM, 400)
    periods = 60 / tempos / HOP_S
    beats = [multiple for multiple in (1, 2, 3, 4) if multiple * periods.max() < 0.75 * size]
    later = [np.interp(periods * multiple, np.arange(size), correlation) for multiple in beats]
    mean = np.mean(later, axis=0)
    octaves = np.log2(tempos / LIKELIEST_BPM)
    likely = np.exp(-0.5 * np.square(octaves / SPREAD_OCTAVES))
    best = int(np.argmax(np.maximum(mean, 0) * likely))
    return float(periods[best] * HOP_S), float(mean[best])


def _matched(onsets: np.ndarray, rough_s: float) -> tuple[float, float]:
    """Matches pulses near a rough period; returns their period and first moment in seconds."""
    # A beat may be late or early by a hop.
    near = np.maximum.reduce([np.roll(onsets, shift) for shift in (-1, 0, 1)])
    best, period_s, first_s = -np.inf, rough_s, 0.0
    for period in rough_s * np.linspace(1 - REFINED, 1 + REFINED, 61) / HOP_S:
        count = int((len(onsets) - 1) // period)
        phases = np.arange(0, period)
        moments = np.rint(phases[:, None] + period * np.arange(count)).astype(int)
        means = near[moments].mean(axis=1)
        phase = int(np.argmax(means))
        if means[phase] > best:
            # A rise is seen a hop before the onset that ends in its window.
            best, period_s, first_s = means[phase], period * HOP_S, (phase + 1) * HOP_S
    return period_s, first_s
