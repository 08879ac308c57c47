"""Scales, chords by their Roman numerals, progressions and voice leading."""

import re
from dataclasses import dataclass

TONICS = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")

# Semitones above the tonic.
MODES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
}

# Semitones above the root. A numeral without suffix is a triad: major if upper case, else minor.
QUALITIES = {
    "maj7": (0, 4, 7, 11),
    "maj9": (0, 4, 7, 11, 14),
    "m7": (0, 3, 7, 10),
    "m9": (0, 3, 7, 10, 14),
    "7": (0, 4, 7, 10),
    "9": (0, 4, 7, 10, 14),
    "6": (0, 4, 7, 9),
    "m6": (0, 3, 7, 9),
    "m7b5": (0, 3, 6, 10),
    "dim": (0, 3, 6),
    "dim7": (0, 3, 6, 9),
    "sus2": (0, 2, 7),
    "sus4": (0, 5, 7),
    "add9": (0, 4, 7, 14),
    "madd9": (0, 3, 7, 14),
    "5": (0, 7),
}
DEGREES = {"i": 0, "ii": 2, "iii": 4, "iv": 5, "v": 7, "vi": 9, "vii": 11}
SYMBOL = re.compile(r"([b#]?)([ivIV]+)(.*)")

# The order in which a small voicing keeps tones: third, seventh, root, colour, fifth.
IMPORTANCE = (3, 4, 10, 11, 9, 0, 14, 2, 5, 6, 7)


@dataclass(frozen=True)
class Chord:
    """A chord without octave.

    Attributes:
        root: pitch class, 0 = C.
        intervals: semitones above the root, ascending from 0.
    """

    root: int
    intervals: tuple[int, ...]

    @property
    def classes(self) -> tuple[int, ...]:
        """Pitch classes of the tones, root first."""
        return tuple((self.root + interval) % 12 for interval in self.intervals)

    def tone(self, name: str) -> int:
        """Returns the interval of the "third", "fifth" or "top" tone, or of its substitute."""
        choices = {"third": (3, 4, 2, 5), "fifth": (7, 6), "top": (10, 11, 9)}[name]
        return next((i for i in choices if i in self.intervals), 7)


@dataclass(frozen=True)
class ChordSpan:
    """A chord and its start and end, in beats from the start of the piece."""

    chord: Chord
    start: float
    end: float


def parse_chord(symbol: str, tonic: int) -> Chord:
    """Reads a numeral such as `ii7`, `bVIImaj7` or `V`; degrees count on the major scale.

    Args:
        symbol: accidental, numeral, quality. A lower-case numeral with `7`, `9`, `6` or `add9`
            gets the minor third.
        tonic: pitch class of the key.

    Raises:
        ValueError: the numeral or the quality is unknown.
    """
    match = SYMBOL.fullmatch(symbol)
    if match is None or match[2].lower() not in DEGREES:
        raise ValueError(f"chord {symbol!r} is not a Roman numeral")
    shift = {"b": -1, "#": 1, "": 0}[match[1]]
    root = (tonic + DEGREES[match[2].lower()] + shift) % 12
    minor = match[2].islower()
    quality = match[3]
    if not quality:
        return Chord(root, (0, 3, 7) if minor else (0, 4, 7))
    if minor and f"m{quality}" in QUALITIES:
        quality = f"m{quality}"
    if quality not in QUALITIES:
        raise ValueError(f"chord {symbol!r} has no quality {quality!r}")
    return Chord(root, QUALITIES[quality])


def scale_classes(tonic: int, mode: str) -> tuple[int, ...]:
    """Returns the pitch classes of a scale, tonic first."""
    return tuple((tonic + step) % 12 for step in MODES[mode])


def pentatonic_classes(scale: tuple[int, ...]) -> tuple[int, ...]:
    """Returns the major or minor pentatonic of a scale, by its third."""
    tonic = scale[0]
    steps = (0, 2, 4, 7, 9) if (tonic + 4) % 12 in scale else (0, 3, 5, 7, 10)
    return tuple((tonic + step) % 12 for step in steps)


def adapted_classes(scale: tuple[int, ...], chord: Chord) -> tuple[int, ...]:
    """Adds a chord's tones to a scale, and removes scale tones a half step from the added ones."""
    foreign = [tone for tone in chord.classes if tone not in scale]
    kept = [
        tone
        for tone in scale
        if tone in chord.classes or not any((tone - f) % 12 in (1, 11) for f in foreign)
    ]
    return (*kept, *foreign)


def lay_chords(
    progression: str, tonic: int, start: float, bars: int, beats_per_bar: int
) -> tuple[ChordSpan, ...]:
    """Repeats a progression over a section.

    Args:
        progression: bars separated by `|`, each with chords of equal length.
        tonic: pitch class of the key.
        start: first beat of the section.
        bars: length of the section.
        beats_per_bar: beats a bar.
    """
    written = [bar.split() for bar in progression.split("|")]
    spans = []
    for bar in range(bars):
        symbols = written[bar % len(written)]
        beats = beats_per_bar / len(symbols)
        for place, symbol in enumerate(symbols):
            begin = start + bar * beats_per_bar + place * beats
            spans.append(ChordSpan(parse_chord(symbol, tonic), begin, begin + beats))
    return tuple(spans)


def span_at(spans: tuple[ChordSpan, ...], beat: float) -> ChordSpan:
    """Returns the chord that sounds at a beat; the last one beyond the end."""
    return next((span for span in spans if beat < span.end - 1e-6), spans[-1])


def nearest(pitch: int, classes: tuple[int, ...], low: int, high: int) -> int:
    """Returns the closest pitch of the given classes within [low, high], the lower of two."""
    fitting = [p for p in range(low, high + 1) if p % 12 in classes]
    return min(fitting, key=lambda p: (abs(p - pitch), p))


def voice(
    chord: Chord, voices: int, low: int, high: int, before: tuple[int, ...] | None
) -> tuple[int, ...]:
    """Voices a chord so that the voices move as little as possible.

    Args:
        chord: the chord.
        voices: number of notes.
        low: lowest pitch.
        high: highest pitch; exceeded if the range is narrower than about two octaves.
        before: the previous voicing; None = centre the voicing in the range.

    Returns:
        Ascending pitches, `voices` of them.
    """
    kept = sorted(chord.intervals, key=lambda i: IMPORTANCE.index(i))[:voices]
    classes = sorted({(chord.root + interval) % 12 for interval in kept})
    middle = (low + high) / 2
    best: tuple[float, tuple[int, ...]] | None = None
    for bottom in range(low, high - 3):
        if bottom % 12 not in classes:
            continue
        pitches = [bottom]
        while len(pitches) < voices:
            pitches.append(next(p for p in range(pitches[-1] + 1, 200) if p % 12 in classes))
        if before is None:
            moved = abs(sum(pitches) / voices - middle)
        else:
            moved = sum(abs(a - b) for a, b in zip(pitches, before, strict=True))
            moved += 0.1 * abs(sum(pitches) / voices - middle)
        moved += 6.0 * max(0, pitches[-1] - high)
        if best is None or moved < best[0]:
            best = (moved, tuple(pitches))
    if best is None:
        raise ValueError(f"no room for {voices} voices between {low} and {high}")
    return best[1]
