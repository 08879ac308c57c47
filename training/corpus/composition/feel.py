"""Deviations from the grid: swing, loose timing, and loudness that changes over time."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from soundstage.training.corpus.composition.score import MidiControl, Note
from soundstage.training.corpus.plan import FEEL

EXPRESSION = 11
PUMP_VALUES = (58, 88, 112, 127)
SWELL_STEPS = 16


def _warped(beat: float, swing: float, unit: float) -> float:
    pair = 2.0 * unit
    whole, inside = divmod(beat, pair)
    place = inside / pair
    moved = place * 2 * swing if place < 0.5 else swing + (place - 0.5) * 2 * (1.0 - swing)
    return (whole + moved) * pair


def swung(notes: Iterable[Note], swing: float, unit: float) -> list[Note]:
    """Delays off-beats; notes between beats and off-beats move in proportion.

    Args:
        notes: on a straight grid.
        swing: position of the off-beat between two beats, 0.5 = straight.
        unit: beats from a beat to its off-beat.
    """
    moved = []
    for note in notes:
        start = _warped(note.start, swing, unit)
        end = _warped(note.start + note.length, swing, unit)
        moved.append(replace(note, start=start, length=end - start))
    return moved


def loosened(notes: list[Note], spread_beats: float, seed: int, part: int) -> tuple[Note, ...]:
    """Shifts the start of every note slightly; notes with one start stay together.

    Args:
        notes: the notes of one part.
        spread_beats: root mean square of the shifts.
        seed: the seed of the piece.
        part: number of the part.

    Returns:
        The notes, ordered by start; none starts before the first beat, and none overlaps the next
        note of its pitch.
    """
    rng = np.random.default_rng([seed, FEEL, part])
    shifts: dict[float, float] = {}
    moved = []
    for note in notes:
        key = round(note.start, 3)
        if key not in shifts:
            shifts[key] = min(max(rng.normal(0.0, 1.0), -2.0), 2.0) * spread_beats
        moved.append(replace(note, start=max(0.0, note.start + shifts[key])))
    return _without_overlaps(sorted(moved, key=lambda note: (note.start, note.pitch)))


def _without_overlaps(notes: list[Note]) -> tuple[Note, ...]:
    """Ends every note before the next note of its pitch, because MIDI cannot express an overlap."""
    upcoming: dict[int, float] = {}
    kept = []
    for note in reversed(notes):
        room = upcoming.get(note.pitch, np.inf) - note.start - 0.01
        if room < 0.02:
            continue
        upcoming[note.pitch] = note.start
        kept.append(replace(note, length=float(min(note.length, room))))
    return tuple(reversed(kept))


def movement(motion: str, spaces: list[tuple[float, float]]) -> tuple[MidiControl, ...]:
    """Returns loudness over time as MIDI expression.

    Args:
        motion: "" = none, "pump" ducks on every beat, "swell" rises and falls in each section.
        spaces: start and end of the sections, in beats.

    Raises:
        ValueError: the motion is unknown.
    """
    if motion == "":
        return ()
    if motion == "pump":
        step = 1.0 / len(PUMP_VALUES)
        return tuple(
            MidiControl(beat + place * step, EXPRESSION, value)
            for start, end in spaces
            for beat in range(round(start), round(end))
            for place, value in enumerate(PUMP_VALUES)
        )
    if motion == "swell":
        return tuple(
            MidiControl(
                start + (end - start) * step / SWELL_STEPS,
                EXPRESSION,
                round(86 + 41 * np.sin(np.pi * step / SWELL_STEPS)),
            )
            for start, end in spaces
            for step in range(SWELL_STEPS)
        )
    raise ValueError(f"no motion {motion!r}")
