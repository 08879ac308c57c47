"""The phrases of a prompt in order: the longest known ones, tempos, keys, and the words between."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from soundstage.stages.words.lexicon import Entry, Lexicon
from soundstage.stages.words.numbers import Key, Tempo, read_key, read_tempo
from soundstage.stages.words.spelling import corrected, stems
from soundstage.stages.words.tokens import STOPS, split_words

_BEFORE_KEYS = ("in", "of", "key")


@dataclass(frozen=True)
class Unknown:
    """A word that means nothing here.

    Attributes:
        word: as typed.
    """

    word: str


@dataclass(frozen=True)
class Mark:
    """A word or mark that has no meaning of its own.

    Attributes:
        kind: "stop" ends a phrase, "not" turns the next one around, "joint" joins two, "filler"
            says nothing.
    """

    kind: str


Phrase: TypeAlias = Entry | Tempo | Key | Mark | Unknown


def read_phrases(text: str, lexicon: Lexicon) -> Iterator[Phrase]:
    """Returns the phrases of a text, from its first word to its last.

    Args:
        text: any string.
        lexicon: the known phrases.
    """
    typed = split_words(text)
    reader = _Reader(typed, lexicon)
    at = 0
    while at < len(typed):
        phrase, length = reader.read(at)
        yield phrase
        at += length


class _Reader:
    """The words of one text, as typed, in lower case, and in the form that the lexicon has."""

    def __init__(self, typed: Sequence[str], lexicon: Lexicon) -> None:
        self.typed, self.lexicon = typed, lexicon
        self.lower = [word.lower() for word in typed]
        self.known = [self._known_form(word) for word in self.lower]

    def read(self, at: int) -> tuple[Phrase, int]:
        """Returns the phrase at a position, and how many words it takes."""
        if self.typed[at] in STOPS:
            return Mark("stop"), 1
        key = read_key(self.lower[at:], self._is_after_in(at))
        if key is not None:
            return key, key.words
        length, name = self._longest(at)
        if name not in self.lexicon.entries:
            tempo = read_tempo(self.lower[at : at + 6])
            if tempo is not None:
                return tempo, tempo.words
        return (self._meaning(name), length) if length else (Unknown(self.typed[at]), 1)

    def _meaning(self, name: str) -> Phrase:
        if name in self.lexicon.entries:
            return self.lexicon.entries[name]
        if name in self.lexicon.negations:
            return Mark("not")
        return Mark("joint" if name in self.lexicon.joints else "filler")

    def _longest(self, at: int) -> tuple[int, str]:
        """Returns the length and the name of the longest phrase at a position; (0, "") = none."""
        for length in range(min(self.lexicon.longest, len(self.typed) - at), 0, -1):
            for words in (self.lower, self.known):
                name = " ".join(words[at : at + length])
                if self.lexicon.knows(name):
                    return length, name
        # A word of a longer phrase, such as "funkier", may have a form that stands alone.
        for form in stems(self.lower[at]):
            if self.lexicon.knows(form):
                return 1, form
        return 0, ""

    def _is_after_in(self, at: int) -> bool:
        return at > 0 and self.lower[at - 1] in _BEFORE_KEYS and self.typed[at][0].isupper()

    def _known_form(self, word: str) -> str:
        known = self.lexicon.words
        if word in known or word[0] in STOPS or not word[0].isalpha():
            return word
        for form in stems(word):
            if form in known:
                return form
        return corrected(word, self.lexicon.by_letter, self.lexicon.same) or word
