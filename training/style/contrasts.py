"""Pairs of texts for a piece: one is true, the other contradicts it in one fact."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from soundstage.training.corpus import texts, words
from soundstage.training.corpus.instruments import INSTRUMENTS
from soundstage.training.corpus.manifest import Piece

WITH_DRUMS = ("with drums", "with a beat", "with drums and percussion")
WITHOUT_DRUMS = ("without drums", "no drums", "beatless", "drumless")
# The least ratio of two tempos that contradict each other.
OTHER_TEMPO = 1.25
SLOWEST_BPM, FASTEST_BPM = 50, 200


@dataclass(frozen=True)
class Contrast:
    """Two texts that differ in one fact.

    Attributes:
        fact: a key of `FACTS`.
        true: fits the piece.
        false: contradicts it.
    """

    fact: str
    true: str
    false: str


# Two phrases, the first of which fits the piece.
_Phrases = tuple[str, str]


def contrast(random: np.random.Generator, piece: Piece, fact: str = "") -> Contrast:
    """Draws a contrast for a piece.

    Args:
        random: draws the fact and the words.
        piece: the piece that the first text fits.
        fact: a key of `FACTS` that the piece has, see `facts_with_opposite`; "" = any.
    """
    known = facts_with_opposite(piece)
    name = fact or known[int(random.integers(len(known)))]
    true, false = FACTS[name](random, piece)
    form = _FORMS[name][int(random.integers(len(_FORMS[name])))]
    genre = _one(random, words.GENRE_WORDS[piece.genre].train)
    genre = genre.removeprefix("a ").removeprefix("an ")
    return Contrast(name, form.format(fact=true, genre=genre), form.format(fact=false, genre=genre))


def facts_with_opposite(piece: Piece) -> tuple[str, ...]:
    """Returns the facts of a piece that a text can contradict; never none."""
    clear = {
        "brightness": texts.brightness_class(piece.brightness) != "neutral",
        "density": texts.density_class(piece.density) != "medium",
        "tempo": texts.tempo_class(piece.tempo_bpm) != "medium",
    }
    return tuple(name for name in FACTS if clear.get(name, True))


def has_drums(piece: Piece) -> bool:
    """Whether a drum kit plays in a piece."""
    return any(name in INSTRUMENTS and INSTRUMENTS[name].is_drums for name in piece.instruments)


def _brightness(random: np.random.Generator, piece: Piece) -> _Phrases:
    own = texts.brightness_class(piece.brightness)
    return _opposites(random, words.BRIGHT_WORDS, own, {"dark": "bright", "bright": "dark"})


def _density(random: np.random.Generator, piece: Piece) -> _Phrases:
    own = texts.density_class(piece.density)
    return _opposites(random, words.DENSITY_WORDS, own, {"sparse": "dense", "dense": "sparse"})


def _tempo(random: np.random.Generator, piece: Piece) -> _Phrases:
    own = texts.tempo_class(piece.tempo_bpm)
    other = ("slow", "very slow") if own in ("fast", "very fast") else ("fast", "very fast")
    opposite = other[int(random.integers(2))]
    return _opposites(random, words.TEMPO_WORDS, own, {own: opposite})


def _bpm(random: np.random.Generator, piece: Piece) -> _Phrases:
    own = piece.tempo_bpm
    others = np.arange(SLOWEST_BPM, FASTEST_BPM + 1)
    others = others[np.abs(np.log(others / own)) >= np.log(OTHER_TEMPO)]
    return f"{own} bpm", f"{random.choice(others)} bpm"


def _mode(random: np.random.Generator, piece: Piece) -> _Phrases:
    return piece.mode, "minor" if piece.mode in texts.BRIGHT_MODES else "major"


def _drums(random: np.random.Generator, piece: Piece) -> _Phrases:
    pair = _one(random, WITH_DRUMS), _one(random, WITHOUT_DRUMS)
    return pair if has_drums(piece) else pair[::-1]


FACTS: Mapping[str, Callable[[np.random.Generator, Piece], _Phrases]] = {
    "brightness": _brightness,
    "density": _density,
    "tempo": _tempo,
    "bpm": _bpm,
    "mode": _mode,
    "drums": _drums,
}
_ADJECTIVE = ("{fact} {genre}", "{fact} {genre}", "{genre}, {fact}", "{fact} music", "{fact}")
_FORMS: Mapping[str, Sequence[str]] = {
    "brightness": _ADJECTIVE,
    "density": _ADJECTIVE,
    "tempo": _ADJECTIVE,
    "bpm": ("{genre} at {fact}", "{genre}, {fact}", "{fact} {genre}", "{fact}"),
    "mode": ("{genre} in {fact}", "{genre}, {fact}", "{fact} {genre}", "{fact}"),
    "drums": ("{genre}, {fact}", "{genre} {fact}", "{genre}, {fact}", "{fact}"),
}


def _opposites(
    random: np.random.Generator,
    table: Mapping[str, words.Words],
    own: str,
    opposites: Mapping[str, str],
) -> _Phrases:
    return _one(random, table[own].train), _one(random, table[opposites[own]].train)


def _one(random: np.random.Generator, choices: Sequence[str]) -> str:
    return choices[int(random.integers(len(choices)))]
