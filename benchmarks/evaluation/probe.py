"""A judge of genre, tempo and brightness that has heard real music only.

It never hears what a model makes before it judges it, so that a model cannot be flattered.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.features import TEMPOS_BPM, Hearing
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
# How far from the true tempo a candidate still counts a little, in octaves.
TEMPO_WIDTH = 0.03
# Directions that a place has: fewer than there are windows in a set to compare.
PLACE_SIZE = 16


@dataclass(frozen=True)
class Labels:
    """What is known of windows.

    Attributes:
        piece: int [window], which piece each is of.
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
        """Those of some windows, by numbers or by a mask."""
        return Labels(
            self.piece[windows],
            self.genre[windows],
            self.tempo_bpm[windows],
            self.brightness[windows],
        )


@dataclass(frozen=True)
class Judgement:
    """What a probe takes windows for.

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
        hearing: windows of real music to learn from.
        labels: of those windows.

    Raises:
        ValueError: there are fewer than two windows.
    """

    def __init__(self, hearing: Hearing, labels: Labels) -> None:
        if len(hearing) < 2:
            raise ValueError(f"a probe learns from two windows at least, got {len(hearing)}")
        self.genres: Sequence[str] = sorted(set(labels.genre.tolist()))
        self._scale = Scale.fit(hearing.sound)
        scaled = self._scale(hearing.sound)
        named = np.array(self.genres) == labels.genre[:, None]  # [window, genre]
        self._genre = fit_softmax(_with_constant(scaled), named.astype(float), GENRE_PENALTY)
        self._usual_brightness = float(labels.brightness.mean())
        shades = labels.brightness - self._usual_brightness
        self._brightness = fit_ridge(scaled, shades, BRIGHTNESS_PENALTY)
        self._pulse_scale = Scale.fit(hearing.pulse)
        self._tempo = fit_shared_softmax(
            self._candidates(hearing.pulse), _near(labels.tempo_bpm), TEMPO_PENALTY
        )
        _, spreads, directions = np.linalg.svd(scaled, full_matrices=False)
        spreads = spreads[:PLACE_SIZE] / np.sqrt(len(scaled))
        self._places = directions[:PLACE_SIZE].T / np.maximum(spreads, 1e-6)

    def judge(self, hearing: Hearing) -> Judgement:
        """Judges windows."""
        scaled = self._scale(hearing.sound)
        shares = softmax(_with_constant(scaled) @ self._genre)
        pulses = self._candidates(hearing.pulse) @ self._tempo
        return Judgement(
            np.array(self.genres)[shares.argmax(axis=1)],
            shares,
            TEMPOS_BPM[pulses.argmax(axis=1)],
            scaled @ self._brightness + self._usual_brightness,
        )

    def place(self, hearing: Hearing) -> np.ndarray:
        """Where windows lie in the main directions of real music, each of spread 1 there.

        Returns:
            float64 [window, direction], `PLACE_SIZE` directions at most.
        """
        return self._scale(hearing.sound) @ self._places

    def _candidates(self, pulse: np.ndarray) -> np.ndarray:
        octaves = np.log2(TEMPOS_BPM)
        usual = (octaves - octaves.mean()) / octaves.std()
        prior = np.stack([usual, usual**2], axis=1)  # [tempo, 2]
        tiled = np.broadcast_to(prior, (len(pulse), *prior.shape))
        return np.concatenate([self._pulse_scale(pulse), tiled], axis=2)


def _near(tempo_bpm: np.ndarray) -> np.ndarray:
    distance = np.log2(TEMPOS_BPM) - np.log2(tempo_bpm)[:, None]
    return softmax(-0.5 * np.square(distance / TEMPO_WIDTH))


def _with_constant(features: np.ndarray) -> np.ndarray:
    return np.concatenate([features, np.ones((len(features), 1))], axis=1)
