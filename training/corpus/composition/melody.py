"""Melodies from motifs: a rhythm and a contour, repeated, moved and answered."""

from dataclasses import dataclass

import numpy as np

from soundstage.training.corpus.composition.scene import Scene, choose_by_density, velocity
from soundstage.training.corpus.composition.score import Note
from soundstage.training.corpus.composition.theory import (
    adapted_classes,
    nearest,
    pentatonic_classes,
    span_at,
)

# Steps of the scale between two notes, and their probabilities.
STEPS = (-4, -3, -2, -1, 0, 1, 2, 3, 4)
STEP_CHANCES = (0.02, 0.04, 0.12, 0.27, 0.10, 0.27, 0.12, 0.04, 0.02)

# The roles of the four bars of a phrase.
PHRASES = (
    ("motif", "answer", "motif", "end"),
    ("motif", "motif", "answer", "end"),
    ("motif", "rest", "answer", "end"),
    ("motif", "answer", "answer", "end"),
)

PHRASE_ARCH = 8.0


@dataclass(frozen=True)
class Motif:
    """A bar of melody without its harmony.

    Attributes:
        rhythm: `x` starts a note, `-` holds it, `.` is silent; one letter a step.
        contour: scale steps of each note from the first.
    """

    rhythm: str
    contour: tuple[int, ...]


@dataclass(frozen=True)
class Melody:
    """Plays a melody over the chords, in phrases of four bars.

    Attributes:
        rhythms: bars as in `Motif.rhythm`, sparse to busy.
        base: MIDI velocity of an ordinary note.
        legato: sounding share of a note's time.
        pentatonic: whether it uses only five notes of the key.
        rests: probability that a `rest` bar is silent.
        thirds: whether a second voice plays in parallel below.
    """

    rhythms: tuple[str, ...]
    base: float = 88.0
    legato: float = 0.95
    pentatonic: bool = False
    rests: float = 0.6
    thirds: bool = False

    def play(self, scene: Scene, rng: np.random.Generator) -> tuple[Note, ...]:
        """Writes the notes of one section, ordered by start."""
        motif, answer = self._motif(scene, rng), self._motif(scene, rng)
        phrase = PHRASES[int(rng.integers(len(PHRASES)))]
        at = round(scene.low + (scene.high - scene.low) * rng.uniform(0.4, 0.65))
        notes: list[Note] = []
        for bar in range(scene.bars):
            role = phrase[bar % 4]
            if role == "rest" and rng.random() < self.rests:
                continue
            shape = answer if role == "answer" else motif
            if role == "end":
                shape = _ending(shape)
            bar_notes = self._realise(shape, bar, at, scene, rng)
            notes += bar_notes
            # The next bar starts near this one's last note, closer to the middle of the range.
            middle = (scene.low + scene.high) / 2
            if bar_notes:
                at = round(0.7 * bar_notes[-1].pitch + 0.3 * middle)
        if self.thirds:
            notes += self._below(notes, scene)
        return tuple(sorted(notes, key=lambda note: (note.start, note.pitch)))

    def _motif(self, scene: Scene, rng: np.random.Generator) -> Motif:
        rhythm = self.rhythms[choose_by_density(len(self.rhythms), scene.density, rng)]
        steps = rng.choice(STEPS, size=rhythm.count("x"), p=STEP_CHANCES)
        steps[:1] = 0
        return Motif(rhythm, tuple(int(step) for step in np.cumsum(steps)))

    def _realise(
        self, motif: Motif, bar: int, at: int, scene: Scene, rng: np.random.Generator
    ) -> list[Note]:
        step = scene.beats_per_bar / len(motif.rhythm)
        begin = scene.start + bar * scene.beats_per_bar
        ladder = self._ladder(scene)
        onsets = [place for place, letter in enumerate(motif.rhythm) if letter == "x"]
        anchor = int(np.argmin([abs(pitch - at) for pitch in ladder]))
        notes = []
        for place, rise in zip(onsets, motif.contour, strict=True):
            after = place + 1
            while after < len(motif.rhythm) and motif.rhythm[after] == "-":
                after += 1
            start, length = begin + place * step, (after - place) * step
            pitch = ladder[_folded(anchor + rise, len(ladder))]
            chord = span_at(scene.spans, start).chord
            strong = abs(start - begin) % 2 < 1e-6
            # Long notes and notes on strong beats are chord tones; others may be passing notes.
            if strong or length >= 1.0:
                pitch = nearest(pitch, chord.classes, scene.low, scene.high)
            elif pitch % 12 not in adapted_classes(scene.scale, chord):
                pitch = nearest(pitch, adapted_classes(scene.scale, chord), scene.low, scene.high)
            # The loudness of a phrase rises and falls.
            arch = PHRASE_ARCH * np.sin(np.pi * ((bar % 4) + (start - begin) / 4) / 4)
            hit = velocity(self.base, scene.energy, arch + (6.0 if strong else 0.0), rng)
            notes.append(Note(start, length * self.legato, pitch, hit))
        return notes

    def _ladder(self, scene: Scene) -> list[int]:
        classes = pentatonic_classes(scene.scale) if self.pentatonic else scene.scale
        return [p for p in range(scene.low, scene.high + 1) if p % 12 in classes]

    def _below(self, notes: list[Note], scene: Scene) -> list[Note]:
        lower = []
        for note in notes:
            chord = span_at(scene.spans, note.start).chord
            classes = adapted_classes(scene.scale, chord)
            pitch = nearest(note.pitch - 4, classes, scene.low - 6, scene.high)
            lower.append(Note(note.start, note.length, pitch, max(12, note.velocity - 14)))
        return lower


def _folded(index: int, size: int) -> int:
    """Reflects an index at the ends of a list of `size` items."""
    period = max(1, 2 * (size - 1))
    index %= period
    return min(index, period - index)


def _ending(motif: Motif) -> Motif:
    """Returns the first half of a motif, followed by one long note."""
    half = len(motif.rhythm) // 2
    head = motif.rhythm[:half]
    rhythm = head + "x" + "-" * (half - 1)
    rhythm = rhythm.ljust(len(motif.rhythm), "-")
    kept = motif.contour[: head.count("x")]
    return Motif(rhythm, (*kept, kept[-1] if kept else 0))
