"""The facts of a piece that a text mentions, and the text's distance from other pieces."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from soundstage.stages.style_towers.text import normal_text
from soundstage.training.corpus import texts, words
from soundstage.training.corpus.manifest import Piece
from soundstage.training.style.contrasts import WITH_DRUMS, WITHOUT_DRUMS, has_drums
from soundstage.training.style.traits import Traits, TraitWeights

# Weights of the traits that each fact mentions, added to distances, which are negative log-scores.
WEIGHTS = {
    "genre": TraitWeights(genre=5.0),
    "tempo": TraitWeights(tempo=3.0),
    "brightness": TraitWeights(brightness=2.5),
    "density": TraitWeights(density=2.5),
    "mood": TraitWeights(mode=0.7, tempo=1.0, density=1.0),
    "mode": TraitWeights(mode=0.7),
    "drums": TraitWeights(drums=2.0),
}
INSTRUMENT_WEIGHT = 2.0
# A text without a known fact is still slightly nearer to its own piece.
NO_FACT = TraitWeights(genre=1.0, tempo=0.5, density=0.5, brightness=0.5)


@dataclass(frozen=True)
class PieceFacts:
    """The phrases that mention the facts of one piece.

    Attributes:
        phrases: by fact, a key of `WEIGHTS`.
        instruments: by the name of each instrument that plays.
    """

    phrases: Mapping[str, tuple[str, ...]]
    instruments: Mapping[str, tuple[str, ...]]


def facts_of(piece: Piece) -> PieceFacts:
    """Collects the phrases that mention the facts of a piece in training texts."""
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
            "drums": WITH_DRUMS if has_drums(piece) else WITHOUT_DRUMS,
        },
        {name: texts.instrument_words(name).train for name in piece.instruments},
    )


class TextFit:
    """Measures how well texts fit pieces.

    Args:
        pieces: at least one.
    """

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self.traits = Traits(pieces)
        self.facts = [facts_of(piece) for piece in pieces]
        self.tempi = [f" {piece.tempo_bpm} bpm " for piece in pieces]

    def distances(self, piece: int, text: str) -> np.ndarray:
        """Returns the distance of every piece from a text that was made for one piece.

        Args:
            piece: the piece whose facts the text may mention.
            text: words that mention no fact of the piece are ignored.

        Returns:
            float32 [piece], >= 0, 0 for the piece itself.
        """
        padded, facts = _padded(text), self.facts[piece]
        weights = [
            WEIGHTS[fact] for fact, phrases in facts.phrases.items() if _has_any(padded, phrases)
        ]
        if self.tempi[piece] in padded:
            weights.append(WEIGHTS["tempo"])
        instruments = [
            name for name, phrases in facts.instruments.items() if _has_any(padded, phrases)
        ]
        if not weights and not instruments:
            return self.traits.distances(piece, NO_FACT)
        total = sum((self.traits.distances(piece, one) for one in weights), np.float32(0))
        if instruments:
            total = total + INSTRUMENT_WEIGHT * self.traits.lacks(instruments)
        return np.asarray(total, np.float32)


def _padded(text: str) -> str:
    plain = "".join(mark if mark.isalnum() or mark in "&-" else " " for mark in normal_text(text))
    return f" {' '.join(plain.split())} "


def _has_any(padded: str, phrases: Iterable[str]) -> bool:
    return any(_padded(phrase) in padded for phrase in phrases)
