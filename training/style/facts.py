"""Which facts of a piece a text tells, and so how well it fits other pieces."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from soundstage.stages.style_towers.text import normal_text
from soundstage.training.corpus import texts, words
from soundstage.training.corpus.manifest import Piece
from soundstage.training.style.traits import Care, Traits

# How much each fact counts, when told: natural logarithms of how much less a piece fits.
WEIGHTS = {
    "genre": Care(genre=3.0),
    "tempo": Care(tempo=3.0),
    "brightness": Care(brightness=2.5),
    "density": Care(density=2.5),
    "mood": Care(mode=0.7, tempo=1.0, density=1.0),
    "mode": Care(mode=0.7),
}
INSTRUMENT_WEIGHT = 2.0
# A text that tells nothing we know of still is of its piece, a little.
NOTHING = Care(genre=1.0, tempo=0.5, density=0.5, brightness=0.5)


@dataclass(frozen=True)
class PieceFacts:
    """How the facts of one piece are said.

    Attributes:
        phrases: for every fact of `WEIGHTS`, the phrases that tell it.
        instruments: for every instrument that plays, the phrases that tell it.
    """

    phrases: Mapping[str, tuple[str, ...]]
    instruments: Mapping[str, tuple[str, ...]]


def facts_of(piece: Piece) -> PieceFacts:
    """How the facts of a piece are said in training texts."""
    moods = sorted({mood for kind in words.MOOD_WORDS.values() for mood in kind.train})
    own_texts = [_padded(text) for text in piece.texts]
    return PieceFacts(
        {
            "genre": words.GENRE_WORDS[piece.genre].train,
            "tempo": words.TEMPO_WORDS[texts.tempo_class(piece.tempo_bpm)].train,
            "brightness": words.BRIGHT_WORDS[texts.brightness_class(piece.brightness)].train,
            "density": words.DENSITY_WORDS[texts.density_class(piece.density)].train,
            "mood": tuple(m for m in moods if any(_padded(m) in text for text in own_texts)),
            "mode": words.MODE_WORDS[piece.mode].train,
        },
        {name: texts.instrument_words(name).train for name in piece.instruments},
    )


class Fit:
    """Tells how well texts fit pieces.

    Args:
        pieces: at least one.
    """

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self.traits = Traits(pieces)
        self.facts = [facts_of(piece) for piece in pieces]
        self.tempi = [f" {piece.tempo_bpm} bpm " for piece in pieces]

    def distances(self, piece: int, text: str) -> np.ndarray:
        """How little a text for one piece fits each.

        Args:
            piece: whose facts the text may tell.
            text: any; the facts it tells decide, words that are none of them do not.

        Returns:
            float32 [piece], >= 0, 0 for the piece itself.
        """
        padded, facts = _padded(text), self.facts[piece]
        cares = [WEIGHTS[fact] for fact, said in facts.phrases.items() if _tells(padded, said)]
        if self.tempi[piece] in padded:
            cares.append(WEIGHTS["tempo"])
        heard = [name for name, said in facts.instruments.items() if _tells(padded, said)]
        if not cares and not heard:
            return self.traits.distances(piece, NOTHING)
        total = sum((self.traits.distances(piece, care) for care in cares), np.float32(0))
        if heard:
            total = total + INSTRUMENT_WEIGHT * self.traits.lacks(heard)
        return np.asarray(total, np.float32)


def _padded(text: str) -> str:
    plain = "".join(mark if mark.isalnum() or mark in "&-" else " " for mark in normal_text(text))
    return f" {' '.join(plain.split())} "


def _tells(padded: str, phrases: Iterable[str]) -> bool:
    return any(_padded(phrase) in padded for phrase in phrases)
