"""Random prompts for pieces, as a person might type them: descriptions, cut and misspelt."""

import string
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from soundstage.training.corpus.manifest import Piece
from soundstage.training.style.facts import TextFit

FORMS = (
    "{}",
    "{}",
    "{} music",
    "some {}",
    "play {}",
    "{} track",
    "a {} song",
    "{} beat",
    "{} vibes",
)
FILLERS = ("please", "music", "track", "the", "with", "nice", "very", "like", "something", "for")
ADJECTIVES = ("mood", "density", "brightness", "tempo", "drums")


@dataclass(frozen=True)
class Prompt:
    """A text and its distance from every piece.

    Attributes:
        text: as typed.
        distances: float32 [piece], >= 0; 0 = the text fits the piece.
    """

    text: str
    distances: np.ndarray


class Prompter:
    """Draws prompts for pieces.

    Args:
        pieces: the pieces to describe, and to measure distances from.
    """

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self.pieces = pieces
        self.fit = TextFit(pieces)

    def __call__(self, random: np.random.Generator, piece: int) -> Prompt:
        """Draws a prompt for the piece of a number."""
        if random.random() < 0.6:
            text = cut(random, _one(random, self.pieces[piece].texts))
        else:
            text = _one(random, FORMS).format(self._words(random, piece))
        # The facts are recognised in the text before it is misspelt.
        return Prompt(misspelt(random, text), self.fit.distances(piece, text))

    def _words(self, random: np.random.Generator, piece: int) -> str:
        """Draws a few facts, at least one: adjectives, instruments, the genre."""
        facts = self.fit.facts[piece]
        adjectives = [
            _one(random, facts.phrases[fact])
            for fact in random.permutation(ADJECTIVES)[: random.integers(3)]
            if facts.phrases[fact]
        ]
        genre = [_one(random, facts.phrases["genre"])] if random.random() < 0.6 else []
        instruments = list(facts.instruments)
        chosen = random.permutation(len(instruments))[: random.integers(3)]
        names = [_one(random, facts.instruments[instruments[index]]) for index in chosen]
        words = adjectives + (genre + names if random.random() < 0.5 else names + genre)
        return (" ", " ", ", ", " and ")[random.integers(4)].join(
            words or [_one(random, facts.phrases["genre"])]
        )


def cut(random: np.random.Generator, text: str) -> str:
    """Cuts a text to a part, drops words or shuffles them, each with some probability."""
    words = text.split()
    if len(words) > 3 and random.random() < 0.3:
        length = int(random.integers(2, len(words)))
        first = int(random.integers(len(words) - length + 1))
        words = words[first : first + length]
    if len(words) > 2 and random.random() < 0.25:
        words = [word for word in words if random.random() > 0.2] or words
    if random.random() < 0.15:
        words = [words[index] for index in random.permutation(len(words))]
    return " ".join(words)


def misspelt(random: np.random.Generator, text: str) -> str:
    """Adds a word that says nothing or mistypes a word, each with some probability."""
    words = text.split()
    if random.random() < 0.2:
        words.insert(int(random.integers(len(words) + 1)), _filler(random))
    if random.random() < 0.25:
        index = int(random.integers(len(words)))
        words[index] = mistyped(random, words[index])
    return " ".join(words)


def mistyped(random: np.random.Generator, word: str) -> str:
    """Drops, doubles, swaps or replaces one letter of a word of four letters or more."""
    if len(word) < 4:
        return word
    at = int(random.integers(len(word) - 1))
    letter = string.ascii_lowercase[random.integers(26)]
    return (
        word[:at] + word[at + 1 :],
        word[: at + 1] + word[at:],
        word[:at] + word[at + 1] + word[at] + word[at + 2 :],
        word[:at] + letter + word[at + 1 :],
    )[random.integers(4)]


def _filler(random: np.random.Generator) -> str:
    if random.random() < 0.5:
        return _one(random, FILLERS)
    letters = random.integers(26, size=int(random.integers(2, 9)))
    return "".join(string.ascii_lowercase[letter] for letter in letters)


def _one(random: np.random.Generator, choices: Sequence[str]) -> str:
    return choices[int(random.integers(len(choices)))]
