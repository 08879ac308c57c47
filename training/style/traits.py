"""Distances between pieces, trait by trait."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from soundstage.training.corpus.manifest import Piece
from soundstage.training.style.contrasts import has_drums


@dataclass(frozen=True)
class TraitWeights:
    """The weight of each trait in a distance between pieces.

    Attributes:
        genre: the distance between two genres.
        tempo: the distance of an octave of tempo, which is also the largest.
        density: the distance between the ends of the range of density.
        brightness: the distance between the ends of the range of brightness.
        mode: the distance between major and minor.
        drums: the distance between drums and none.
    """

    genre: float = 0.0
    tempo: float = 0.0
    density: float = 0.0
    brightness: float = 0.0
    mode: float = 0.0
    drums: float = 0.0


class Traits:
    """The traits of pieces as arrays, to compare one piece with all.

    Args:
        pieces: at least one.
    """

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self.genre = np.array([piece.genre for piece in pieces])
        self.mode = np.array([piece.mode for piece in pieces])
        self.drums = np.array([has_drums(piece) for piece in pieces])
        self.octaves = np.log2([piece.tempo_bpm for piece in pieces])
        self.density = np.array([piece.density for piece in pieces], np.float64)
        self.brightness = np.array([piece.brightness for piece in pieces], np.float64)
        self.names = sorted({name for piece in pieces for name in piece.instruments})
        self.plays = np.array(
            [[name in piece.instruments for name in self.names] for piece in pieces], bool
        )  # [piece, name]

    def distances(self, piece: int, weights: TraitWeights) -> np.ndarray:
        """Returns the weighted distance of every piece from one.

        Returns:
            float32 [piece], >= 0, 0 for the piece itself.
        """
        total = (
            weights.genre * (self.genre != self.genre[piece])
            + weights.mode * (self.mode != self.mode[piece])
            + weights.drums * (self.drums != self.drums[piece])
            + weights.tempo * np.minimum(np.abs(self.octaves - self.octaves[piece]), 1)
            + weights.density * np.abs(self.density - self.density[piece])
            + weights.brightness * np.abs(self.brightness - self.brightness[piece])
        )
        return total.astype(np.float32)

    def lacks(self, instruments: Sequence[str]) -> np.ndarray:
        """Returns the share of some instruments that each piece lacks, float32 [piece]."""
        mask = np.array([name in instruments for name in self.names])
        return (1 - self.plays[:, mask].mean(axis=1)).astype(np.float32)
