"""Pauses: bars in which the drums rest, or only the drums play."""

from collections.abc import Iterable, Sequence

import numpy as np

from soundstage.training.corpus.composition.score import Note
from soundstage.training.corpus.genre import Genre
from soundstage.training.corpus.plan import PAUSES, Brief

Span = tuple[float, float]
# Of the pauses, the share in which only the drums play.
SOLO_SHARE = 0.25
BARS = (1, 2, 4)


def draw_pauses(
    brief: Brief, genre: Genre, sections: Sequence[tuple[float, int]]
) -> dict[bool, tuple[Span, ...]]:
    """Draws where the drums pause, and where all others do.

    Args:
        brief: its `breaks` is the probability of a pause in a section.
        genre: a genre without drums has no pauses.
        sections: first beat and bars of each section.

    Returns:
        Spans in beats: those of the drums at True, those of the others at False.
    """
    pauses: dict[bool, list[Span]] = {True: [], False: []}
    rng = np.random.default_rng([brief.seed, PAUSES])
    for start, bars in sections:
        chance, solo = rng.random(2)
        length = min(int(rng.choice(BARS)), bars)
        # A pause starts or ends with its section, where musicians put it.
        first = 0 if rng.random() < 0.5 else bars - length
        if chance < brief.breaks:
            begin = start + first * genre.beats_per_bar
            span = (begin, begin + length * genre.beats_per_bar)
            pauses[solo >= SOLO_SHARE].append(span)
    return {drums: tuple(spans) for drums, spans in pauses.items()}


def without(notes: Iterable[Note], pauses: Sequence[Span]) -> tuple[Note, ...]:
    """Removes the notes that start in a pause, up to a twentieth of a beat before it."""
    return tuple(
        note
        for note in notes
        if not any(begin - 0.05 <= note.start < end - 0.05 for begin, end in pauses)
    )
