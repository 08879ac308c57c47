"""The walking bass of jazz: a note a beat, which leads to the next chord."""

from dataclasses import dataclass

import numpy as np

from soundstage.training.corpus.composition.figure import approach, root_pitch
from soundstage.training.corpus.composition.scene import Scene, velocity
from soundstage.training.corpus.composition.score import Note
from soundstage.training.corpus.composition.theory import ChordSpan, adapted_classes, nearest


@dataclass(frozen=True)
class Walking:
    """Plays roots on the first beat, a half step before the next root, and other tones between.

    Attributes:
        base: MIDI velocity of an ordinary note.
    """

    base: float = 84.0

    def play(self, scene: Scene, rng: np.random.Generator) -> tuple[Note, ...]:
        """Writes the notes of one section, ordered by start."""
        notes: list[Note] = []
        for span in scene.spans:
            notes += self._walk(span, scene, rng)
        return tuple(notes)

    def _walk(self, span: ChordSpan, scene: Scene, rng: np.random.Generator) -> list[Note]:
        beats = round(span.end - span.start)
        pitch = root_pitch(span.chord.root, scene.low + (5 if rng.random() < 0.4 else 0))
        rising = rng.random() < 0.6
        notes = []
        for beat in range(beats):
            if beat == beats - 1 and beats > 1:
                pitch = approach(span, scene, rng)
            elif beat > 0:
                step = int(rng.integers(2, 5)) * (1 if rising else -1)
                passing = adapted_classes(scene.scale, span.chord)
                classes = span.chord.classes if beat % 2 == 0 else passing
                pitch = nearest(pitch + step, classes, scene.low, scene.high)
            start = span.start + beat
            hit = velocity(self.base, scene.energy, 4.0 if beat % 2 else 0.0, rng)
            notes.append(Note(start, 0.92, pitch, hit))
            # Occasional skip notes before the beat vary the line.
            if rng.random() < 0.12 * (0.5 + scene.density):
                notes.append(Note(start + 0.5, 0.3, pitch, max(12, hit - 22)))
        return notes
