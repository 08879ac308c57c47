"""A probe that judges genre, tempo and brightness of windows, fitted to real music only."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.features import TEMPOS_BPM, WindowFeatures
from evaluation.regression import (
    Scale,
    fit_ridge,
    fit_shared_softmax,
    fit_softmax,
    softmax,
)

GENRE_PENALTY = 1e-2
TEMPO_PENALTY = 1e-3
BRIGHTNESS_PENALTY = 0.1
# Standard deviation in octaves of the target distribution around the true tempo.
TEMPO_WIDTH = 0.03
# Directions of a place: fewer than the windows of a set to compare.
PLACE_SIZE = 16


@dataclass(frozen=True)
class Labels:
    """The known or requested style of windows.

    Attributes:
        piece: int [window], the number of each window's piece.
        genre: str [window].
        tempo_bpm: float [window].
        brightness: float [window], 0 dark to 1 bright.
    """

    piece: np.ndarray
    genre: np.ndarray
    tempo_bpm: np.ndarray
    brightness: np.ndarray

    def __len__(self) -> int:
        return len(self.piece)

    def __getitem__(self, windows: np.ndarray) -> "Labels":
        """Selects windows by numbers or by a mask."""
        return Labels(
            self.piece[windows],
            self.genre[windows],
            self.tempo_bpm[windows],
            self.brightness[windows],
        )


@dataclass(frozen=True)
class Judgement:
    """A probe's judgement of windows.

    Attributes:
        genre: str [window].
        genre_share: float64 [window, genre], probabilities, in the order of `Probe.genres`.
        tempo_bpm: float64 [window].
        brightness: float64 [window].
    """

    genre: np.ndarray
    genre_share: np.ndarray
    tempo_bpm: np.ndarray
    brightness: np.ndarray


class Probe:
    """Softmax regression for the genre, ridge for brightness, a softmax over tempos for the pulse.

    Args:
        features: windows of real music to fit to.
        labels: the labels of those windows.

    Raises:
        ValueError: there are fewer than two windows.
    """

    def __init__(self, features: WindowFeatures, labels: Labels) -> None:
        if len(features) < 2:
            raise ValueError(f"a probe needs at least two windows, got {len(features)}")
        self.genres: Sequence[str] = sorted(set(labels.genre.tolist()))
        self._scale = Scale.fit(features.sound)
        scaled = self._scale(features.sound)
        one_hot = np.array(self.genres) == labels.genre[:, None]  # [window, genre]
        self._genre = fit_softmax(_with_constant(scaled), one_hot.astype(float), GENRE_PENALTY)
        self._mean_brightness = float(labels.brightness.mean())
        centred = labels.brightness - self._mean_brightness
        self._brightness = fit_ridge(scaled, centred, BRIGHTNESS_PENALTY)
        self._pulse_scale = Scale.fit(features.pulse)
        self._tempo = fit_shared_softmax(
            self._candidates(features.pulse), _tempo_targets(labels.tempo_bpm), TEMPO_PENALTY
        )
        _, spreads, directions = np.linalg.svd(scaled, full_matrices=False)
        spreads = spreads[:PLACE_SIZE] / np.sqrt(len(scaled))
        self._places = directions[:PLACE_SIZE].T / np.maximum(spreads, 1e-6)

    def judge(self, features: WindowFeatures) -> Judgement:
        """Judges windows."""
        scaled = self._scale(features.sound)
        shares = softmax(_with_constant(scaled) @ self._genre)
        pulses = self._candidates(features.pulse) @ self._tempo
        return Judgement(
            np.array(self.genres)[shares.argmax(axis=1)],
            shares,
            TEMPOS_BPM[pulses.argmax(axis=1)],
            scaled @ self._brightness + self._mean_brightness,
        )

    def place(self, features: WindowFeatures) -> np.ndarray:
        """Projects windows to the principal directions of real music, which has spread 1 in each.

        Returns:
            float64 [window, direction], at most `PLACE_SIZE` directions.
        """
        return self._scale(features.sound) @ self._places

    def _candidates(self, pulse: np.ndarray) -> np.ndarray:
        octaves = np.log2(TEMPOS_BPM)
        scaled = (octaves - octaves.mean()) / octaves.std()
        prior = np.stack([scaled, scaled**2], axis=1)  # [tempo, 2]
        tiled = np.broadcast_to(prior, (len(pulse), *prior.shape))
        return np.concatenate([self._pulse_scale(pulse), tiled], axis=2)


def _tempo_targets(tempo_bpm: np.ndarray) -> np.ndarray:
    distance = np.log2(TEMPOS_BPM) - np.log2(tempo_bpm)[:, None]
    return softmax(-0.5 * np.square(distance / TEMPO_WIDTH))


def _with_constant(features: np.ndarray) -> np.ndarray:
    return np.concatenate([features, np.ones((len(features), 1))], axis=1)
