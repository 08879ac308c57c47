"""The sound and the pulse of windows of music as numbers, for probes.

Everything is measured on one log-mel spectrogram of the mean of the two channels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from soundstage.stages.style.features import HOP_S, ClipFeatures

# Candidate tempos of a window, evenly spaced in octaves, about 1.3 % apart.
TEMPOS_BPM = np.geomspace(55, 190, 96)
# Lags at which the onsets are correlated with themselves, in beats of a tempo.
BEATS = (1 / 4, 1 / 3, 1 / 2, 2 / 3, 3 / 4, 1, 4 / 3, 3 / 2, 2, 3, 4)
# Groups of bands whose onsets are averaged: all, bass and bass drum, cymbals.
BAND_GROUPS = (slice(None), slice(0, 20), slice(40, None))


@dataclass(frozen=True)
class WindowFeatures:
    """The features of windows of music.

    Attributes:
        sound: float32 [window, feature], of `stages.style.features.ClipFeatures`: mean and spread
            of every band, mean and spread of its onsets, loudness.
        pulse: float32 [window, tempo, group * beat], the autocorrelation of a window's onsets at
            every lag of `BEATS`, for every tempo of `TEMPOS_BPM`; 1 = equal.
    """

    sound: np.ndarray
    pulse: np.ndarray

    def __len__(self) -> int:
        return len(self.sound)

    def __getitem__(self, windows: np.ndarray) -> "WindowFeatures":
        """Selects windows by numbers or by a mask."""
        return WindowFeatures(self.sound[windows], self.pulse[windows])


def joined(parts: Sequence[WindowFeatures]) -> WindowFeatures:
    """Concatenates the windows of several parts."""
    return WindowFeatures(
        np.concatenate([part.sound for part in parts]),
        np.concatenate([part.pulse for part in parts]),
    )


class FeatureExtractor:
    """Computes the features of windows of one sample rate.

    Args:
        sample_rate_hz: the sample rate of the audio.
    """

    def __init__(self, sample_rate_hz: int) -> None:
        self._features = ClipFeatures(sample_rate_hz)

    def __call__(self, windows: Sequence[np.ndarray]) -> WindowFeatures:
        """Computes the features of windows, float32 [sample, channel] each, of several seconds."""
        sounds, pulses = [], []
        for window in windows:
            mono = window.mean(axis=1)
            bands = self._features.log_mel(mono)
            rise = np.maximum(np.diff(bands, axis=0, prepend=bands[:1]), 0)
            # The last feature is the same for all clips.
            sounds.append(self._features(mono)[:-1])
            pulses.append(pulse(rise))
        return WindowFeatures(np.stack(sounds), np.stack(pulses))


def pulse(rise: np.ndarray) -> np.ndarray:
    """Correlates onsets with themselves at lags of `BEATS`, for every tempo.

    Args:
        rise: float32 [frame, band], at least 0, a frame every `stages.style.features.HOP_S`.

    Returns:
        float32 [tempo, group * beat], in [-1, 1]; the longest lags may exceed it slightly.
    """
    lags = 60 / TEMPOS_BPM[:, None] * np.array(BEATS) / HOP_S  # frames, [tempo, beat]
    frames = np.arange(len(rise))
    correlations = [
        np.interp(lags, frames, autocorrelation(rise[:, bands].mean(axis=1)))
        for bands in BAND_GROUPS
    ]
    return np.concatenate(correlations, axis=1).astype(np.float32)


def autocorrelation(series: np.ndarray) -> np.ndarray:
    """Correlates a series with itself at every lag; 1 at lag 0, or 0 if the series is constant.

    Args:
        series: float [frame].

    Returns:
        float64 [lag], as many lags as frames; each is a mean over the overlapping frames.
    """
    count = len(series)
    centred = series.astype(np.float64) - series.mean()
    power = np.square(np.abs(np.fft.rfft(centred, 2 * count)))
    products = np.fft.irfft(power)[:count] / np.arange(count, 0, -1)
    return products / (products[0] + 1e-12)
