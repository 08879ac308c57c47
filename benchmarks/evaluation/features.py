"""What a window of music sounds like and how it pulses, as numbers for probes.

All is measured from one log-mel spectrogram of the two channels' mean.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from soundstage.stages.style.features import HOP_S, ClipFeatures

# Tempos that a window may have, evenly spaced in octaves, about 1.3 % apart.
TEMPOS_BPM = np.geomspace(55, 190, 96)
# Periods at which the onsets are compared with themselves, in beats of a tempo.
BEATS = (1 / 4, 1 / 3, 1 / 2, 2 / 3, 3 / 4, 1, 4 / 3, 3 / 2, 2, 3, 4)
# Bands whose onsets count together: all, those of bass and bass drum, those of cymbals.
BAND_GROUPS = (slice(None), slice(0, 20), slice(40, None))


@dataclass(frozen=True)
class Hearing:
    """Windows of music as a probe hears them.

    Attributes:
        sound: float32 [window, feature], of `stages.style.features.ClipFeatures`: mean and spread
            of every band, mean and spread of its onsets, loudness.
        pulse: float32 [window, tempo, group * beat], how alike a window's onsets are to themselves
            some beats later, for every tempo of `TEMPOS_BPM`; 1 = the same.
    """

    sound: np.ndarray
    pulse: np.ndarray

    def __len__(self) -> int:
        return len(self.sound)

    def __getitem__(self, windows: np.ndarray) -> "Hearing":
        """Some of the windows, by numbers or by a mask."""
        return Hearing(self.sound[windows], self.pulse[windows])


def joined(hearings: Sequence[Hearing]) -> Hearing:
    """The windows of several hearings, in order."""
    return Hearing(
        np.concatenate([hearing.sound for hearing in hearings]),
        np.concatenate([hearing.pulse for hearing in hearings]),
    )


class Listener:
    """Hears windows of one sample rate.

    Args:
        sample_rate_hz: of the audio.
    """

    def __init__(self, sample_rate_hz: int) -> None:
        self._features = ClipFeatures(sample_rate_hz)

    def hear(self, windows: Sequence[np.ndarray]) -> Hearing:
        """Hears windows, float32 [sample, channel] each, at least a few seconds long."""
        sounds, pulses = [], []
        for window in windows:
            mono = window.mean(axis=1)
            bands = self._features.log_mel(mono)
            rise = np.maximum(np.diff(bands, axis=0, prepend=bands[:1]), 0)
            # The last number is the same for all clips.
            sounds.append(self._features(mono)[:-1])
            pulses.append(pulse(rise))
        return Hearing(np.stack(sounds), np.stack(pulses))


def pulse(rise: np.ndarray) -> np.ndarray:
    """How alike onsets are to themselves some beats later, for every tempo.

    Args:
        rise: float32 [frame, band], at least 0, a frame every `stages.style.features.HOP_S`.

    Returns:
        float32 [tempo, group * beat], in [-1, 1] but for the few frames of the longest periods.
    """
    frames = 60 / TEMPOS_BPM[:, None] * np.array(BEATS) / HOP_S  # [tempo, beat]
    places = np.arange(len(rise))
    likeness = [
        np.interp(frames, places, autocorrelation(rise[:, bands].mean(axis=1)))
        for bands in BAND_GROUPS
    ]
    return np.concatenate(likeness, axis=1).astype(np.float32)


def autocorrelation(series: np.ndarray) -> np.ndarray:
    """The correlation of a series with itself at every lag, 1 at lag 0; 0 for a constant one.

    Args:
        series: float [frame].

    Returns:
        float64 [lag], as many lags as frames; each is a mean over the frames that overlap.
    """
    count = len(series)
    centred = series.astype(np.float64) - series.mean()
    power = np.square(np.abs(np.fft.rfft(centred, 2 * count)))
    products = np.fft.irfft(power)[:count] / np.arange(count, 0, -1)
    return products / (products[0] + 1e-12)
