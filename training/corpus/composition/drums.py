"""Drum grooves as grids: a line a drum, a digit a stroke, 1 soft to 9 hard.

A letter is a soft random stroke, more likely in dense pieces: `a` often, `i` rarely.
"""

from dataclasses import dataclass

import numpy as np

from soundstage.training.corpus.composition.scene import Scene, choose_by_density, velocity
from soundstage.training.corpus.composition.score import Note
from soundstage.training.corpus.instruments import DRUMS

STROKE_BEATS = 0.2

Groove = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Drums:
    """Plays grooves, and a fill at the end of a section.

    Attributes:
        grooves: sparse to busy, each a line a drum; `|` separates bars.
        fills: for the last bar of a section; empty = none.
        crash: whether sections of high energy start with a cymbal.
    """

    grooves: tuple[Groove, ...]
    fills: tuple[Groove, ...] = ()
    crash: bool = False

    def play(self, scene: Scene, rng: np.random.Generator) -> tuple[Note, ...]:
        """Writes the strokes of one section, ordered by start."""
        groove = self.grooves[choose_by_density(len(self.grooves), scene.density, rng)]
        notes: list[Note] = []
        for bar in range(scene.bars):
            # The fourth bar of a phrase has more of the random strokes.
            eager = scene.density + (0.2 if bar % 4 == 3 else 0.0)
            lines = groove
            if bar == scene.bars - 1 and self.fills and scene.energy > 0.45:
                lines = self.fills[int(rng.integers(len(self.fills)))]
            notes += _bar(lines, bar, scene, eager, rng)
        if self.crash and scene.energy > 0.6:
            hit = velocity(92.0, scene.energy, 0.0, rng)
            notes.append(Note(scene.start, 1.0, DRUMS["crash"], hit))
        return tuple(sorted(notes, key=lambda note: (note.start, note.pitch)))


def _bar(
    lines: Groove, bar: int, scene: Scene, eager: float, rng: np.random.Generator
) -> list[Note]:
    begin = scene.start + bar * scene.beats_per_bar
    notes = []
    for drum, grid in lines:
        cells = grid.split("|")
        cell = cells[bar % len(cells)]
        step = scene.beats_per_bar / len(cell)
        for place, letter in enumerate(cell):
            # Drawn for every step, so that one more stroke does not change the others.
            chance = rng.random()
            if letter == ".":
                continue
            if letter.isalpha():
                if chance > eager * (1.1 - 0.1 * (ord(letter) - ord("a"))):
                    continue
                base = 62.0
            else:
                base = 24.0 + 10.0 * int(letter)
            hit = velocity(base, scene.energy, 0.0, rng)
            notes.append(Note(begin + place * step, STROKE_BEATS, DRUMS[drum], hit))
    return notes
