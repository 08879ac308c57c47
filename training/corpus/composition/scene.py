"""A section of a piece as a player sees it, and draws that all players share."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from soundstage.training.corpus.composition.score import Note
from soundstage.training.corpus.composition.theory import ChordSpan


@dataclass(frozen=True)
class Scene:
    """One section of a piece, for one part.

    Attributes:
        start: first beat.
        bars: length.
        beats_per_bar: beats a bar.
        spans: the chords, in beats of the piece.
        scale: pitch classes of the key, tonic first.
        density: 0 sparse to 1 busy.
        energy: 0 quiet to 1 the peak of the piece.
        low: lowest pitch of this part.
        high: highest pitch of this part.
    """

    start: float
    bars: int
    beats_per_bar: int
    spans: tuple[ChordSpan, ...]
    scale: tuple[int, ...]
    density: float
    energy: float
    low: int
    high: int


class Player(Protocol):
    """Writes the notes of a part."""

    def play(self, scene: Scene, rng: np.random.Generator) -> tuple[Note, ...]:
        """Writes the notes of one section, ordered by start."""
        ...


def velocity(base: float, energy: float, accent: float, rng: np.random.Generator) -> int:
    """Draws a MIDI velocity: louder in sections of high energy, with small random differences.

    Args:
        base: the base velocity of the part, 1 to 127.
        energy: the energy of the section, 0 to 1.
        accent: added for the position in the bar.
        rng: draws the differences.
    """
    value = base * (0.78 + 0.22 * energy) + accent + rng.normal(0.0, 3.0)
    return min(max(round(value), 12), 127)


def choose_by_density(count: int, density: float, rng: np.random.Generator) -> int:
    """Draws an index into a list ordered from sparse to busy, near the position of `density`."""
    position = density * (count - 1) + rng.normal(0.0, 0.35)
    return min(max(round(position), 0), count - 1)
