"""Accompaniment written as strings: a bar is a string, a step is a letter.

| letter   | sounds                                               |
|----------|------------------------------------------------------|
| `.` `-`  | nothing; `-` continues the previous note             |
| `r f o`  | root, the fifth above it, the octave above it        |
| `t s`    | third; seventh or sixth                              |
| `a`      | a half step below or above the root of the next chord |
| `c g`    | the chord; the chord as a short ghost stroke         |
| `1`-`6`  | one voice of the chord, counted from the lowest      |

Capitals are accents. A bar may have any number of steps.
"""

from dataclasses import dataclass

import numpy as np

from soundstage.training.corpus.composition.scene import Scene, choose_by_density, velocity
from soundstage.training.corpus.composition.score import Note
from soundstage.training.corpus.composition.theory import Chord, ChordSpan, span_at, voice

ACCENT = 14.0
GHOST = -26.0


@dataclass(frozen=True)
class Event:
    """A letter of a pattern that sounds from `start` to `end`, in beats."""

    letter: str
    start: float
    end: float


@dataclass(frozen=True)
class Figure:
    """Plays patterns along the chords.

    Attributes:
        patterns: bars in the notation above, sparse to busy; `|` separates bars.
        voices: notes in a chord.
        base: MIDI velocity of an ordinary note.
        legato: sounding share of a note's time; above 1 for notes that ring on.
        strum: beats between the voices of a chord.
        power: whether chords are only root and fifth, for distorted guitars.
        echoes: quieter repetitions of a note, one every 0.75 beats.
    """

    patterns: tuple[str, ...]
    voices: int = 4
    base: float = 80.0
    legato: float = 0.92
    strum: float = 0.0
    power: bool = False
    echoes: int = 0

    def play(self, scene: Scene, rng: np.random.Generator) -> tuple[Note, ...]:
        """Writes the notes of one section, ordered by start."""
        chosen = choose_by_density(len(self.patterns), scene.density, rng)
        other = choose_by_density(len(self.patterns), scene.density, rng)
        voicings = self._voicings(scene)
        notes: list[Note] = []
        for bar in range(scene.bars):
            # The last bar of four may have another pattern, for variety.
            index = other if bar % 4 == 3 else chosen
            cells = self.patterns[index].split("|")
            for event in _events(cells[bar % len(cells)], bar, scene):
                notes += self._sound(event, scene, voicings, rng)
        if self.echoes:
            notes = _echoed(notes, self.echoes, scene.start + scene.bars * scene.beats_per_bar)
        return tuple(sorted(notes, key=lambda note: (note.start, note.pitch)))

    def _voicings(self, scene: Scene) -> dict[ChordSpan, tuple[int, ...]]:
        voicings: dict[ChordSpan, tuple[int, ...]] = {}
        before = None
        for span in scene.spans:
            chord = Chord(span.chord.root, (0, 7)) if self.power else span.chord
            before = voice(chord, self.voices, scene.low, scene.high, before)
            voicings[span] = before
        return voicings

    def _sound(
        self,
        event: Event,
        scene: Scene,
        voicings: dict[ChordSpan, tuple[int, ...]],
        rng: np.random.Generator,
    ) -> list[Note]:
        span = span_at(scene.spans, event.start)
        letter = event.letter.lower()
        accent = ACCENT if event.letter.isupper() else 0.0
        length = (event.end - event.start) * self.legato
        if letter == "g":
            accent, length = GHOST, length * 0.5
        if letter in "cg":
            pitches = voicings[span]
        elif letter.isdigit():
            voicing = voicings[span]
            pitches = (voicing[min(int(letter), len(voicing)) - 1],)
        else:
            pitches = (_bass_pitch(letter, span, scene, rng),)
        hit = velocity(self.base, scene.energy, accent, rng)
        return [
            # Higher voices are slightly softer, so that the chord sounds as one.
            Note(event.start + place * self.strum, length, pitch, max(12, hit - 2 * place))
            for place, pitch in enumerate(pitches)
        ]


def _events(cell: str, bar: int, scene: Scene) -> list[Event]:
    """Returns the letters of one bar with their times; a held note restarts with a new chord."""
    step = scene.beats_per_bar / len(cell)
    begin = scene.start + bar * scene.beats_per_bar
    events = []
    for place, letter in enumerate(cell):
        if letter in ".-":
            continue
        after = next((n for n in range(place + 1, len(cell)) if cell[n] != "-"), len(cell))
        start, end = begin + place * step, begin + after * step
        while start < end - 1e-6:
            until = min(end, max(span_at(scene.spans, start).end, start + step))
            events.append(Event(letter, start, until))
            start = until
    return events


def root_pitch(root: int, low: int) -> int:
    """Returns the lowest pitch of a pitch class that is at least `low`."""
    return low + (root - low) % 12


def approach(span: ChordSpan, scene: Scene, rng: np.random.Generator) -> int:
    """Draws a pitch a half step below or above the next chord's root."""
    after = span_at(scene.spans, span.end + 1e-3)
    if after.start <= span.start:
        after = scene.spans[0]
    side = -1 if rng.random() < 0.65 else 1
    pitch = root_pitch(after.chord.root, scene.low) + side
    return pitch if pitch >= scene.low else pitch + 12


def _bass_pitch(letter: str, span: ChordSpan, scene: Scene, rng: np.random.Generator) -> int:
    if letter == "a":
        return approach(span, scene, rng)
    root = root_pitch(span.chord.root, scene.low)
    above = {
        "r": 0,
        "o": 12,
        "f": span.chord.tone("fifth"),
        "t": span.chord.tone("third"),
        "s": span.chord.tone("top"),
    }
    if letter not in above:
        raise ValueError(f"a figure knows no letter {letter!r}")
    pitch = root + above[letter]
    return pitch if pitch <= scene.high else pitch - 12


def _echoed(notes: list[Note], echoes: int, end: float) -> list[Note]:
    all_notes = list(notes)
    for note in notes:
        for count in range(1, echoes + 1):
            start = note.start + 0.75 * count
            hit = round(note.velocity * 0.62**count)
            if start < end and hit >= 12:
                all_notes.append(Note(start, note.length * 0.8, note.pitch, hit))
    return all_notes
