"""The lexicon: what every known phrase says about music, read from the TOML files beside this."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from importlib.resources import files
from typing import Any

from soundstage.documents import read_toml
from soundstage.errors import Error
from soundstage.stages.words.tokens import normal_phrase

ENTRY_FILES = ("relatives.toml", "feelings.toml", "instruments.toml", "uses.toml")
GENRE_FILE, FILLER_FILE = "genres.toml", "fillers.toml"


@dataclass(frozen=True)
class KnownGenre:
    """A genre that descriptions name.

    Attributes:
        phrase: its name in the texts that the style towers are trained on.
        tempo: lowest and highest usual tempo in beats a minute; None = no beat to speak of.
    """

    phrase: str
    tempo: tuple[float, float] | None


@dataclass(frozen=True)
class Entry:
    """What a phrase says; all phrases with one meaning share an entry.

    Attributes:
        genres: the genres that the phrase names, with weights.
        hints: the genres that suit it, with weights; they count if a prompt names none.
        tempo: lowest and highest tempo in beats a minute; None = the genre's.
        speed: -2 very slow to 2 very fast within the genre's range; None = not said.
        density: 0 sparse to 1 busy; None = not said.
        brightness: 0 dark to 1 bright; None = not said.
        drums: whether there are drums; None = not said.
        mood: a mood as descriptions say it; "" = none.
        plays: an instrument as descriptions name it; "" = none.
        mode: a mode as descriptions say it; "" = none.
    """

    genres: Mapping[str, float] = field(default_factory=dict)
    hints: Mapping[str, float] = field(default_factory=dict)
    tempo: tuple[float, float] | None = None
    speed: float | None = None
    density: float | None = None
    brightness: float | None = None
    drums: bool | None = None
    mood: str = ""
    plays: str = ""
    mode: str = ""


class LexiconError(Error, ValueError):
    """A file of the lexicon has a mistake; the message has the file and the phrase."""


@dataclass(frozen=True)
class Lexicon:
    """All phrases that are understood, in lower case with one blank between words.

    Attributes:
        genres: the genres, by name.
        entries: what each phrase says.
        fillers: phrases that say nothing about the sound.
        negations: phrases after which the next one is not wanted.
        joints: words that carry a negation on from one instrument to the next.
        longest: the most words of a phrase.
        words: every single word that some phrase contains.
        by_letter: the words of five letters or more, by first letter, for typing mistakes.
    """

    genres: Mapping[str, KnownGenre]
    entries: Mapping[str, Entry]
    fillers: frozenset[str]
    negations: frozenset[str]
    joints: frozenset[str]
    longest: int
    words: frozenset[str]
    by_letter: Mapping[str, Sequence[str]]

    def same(self, first: str, second: str) -> bool:
        """Whether two phrases have one meaning."""
        meaning = self.entries.get(first)
        return meaning is not None and meaning is self.entries.get(second)

    def knows(self, phrase: str) -> bool:
        """Whether a phrase is understood."""
        return phrase in self.entries or phrase in self.fillers or phrase in self.negations


@cache
def load_lexicon() -> Lexicon:
    """Reads the lexicon; the same object every time.

    Raises:
        LexiconError: a file has a mistake.
    """
    tables = _read(GENRE_FILE)
    genres = {
        name: KnownGenre(table["phrase"], _pair(table.get("tempo")))
        for name, table in tables.items()
    }
    entries: dict[str, Entry] = {}
    for name, table in tables.items():
        entry = Entry({name: 1.0}, drums=table.get("drums"))
        _add(entries, GENRE_FILE, table["names"], entry)
    for file in ENTRY_FILES:
        for table in _read(file)["entry"]:
            _add(entries, file, table.pop("words"), _entry(file, table, genres))
    lists = _read(FILLER_FILE)
    fillers, negations, joints = (
        frozenset(map(normal_phrase, lists[name])) for name in ("fillers", "negations", "joints")
    )
    twice = sorted(entries.keys() & (fillers | negations))
    if twice:
        raise LexiconError(f"{FILLER_FILE}: {', '.join(twice)} has a meaning elsewhere")
    phrases = [*entries, *fillers, *negations]
    words = frozenset(word for phrase in phrases for word in phrase.split())
    longest = max(len(phrase.split()) for phrase in phrases)
    letters = _by_letter(words)
    return Lexicon(genres, entries, fillers, negations, joints, longest, words, letters)


def _read(file: str) -> dict[str, Any]:
    return read_toml(files(__package__).joinpath(file).read_text("utf-8"))


def _entry(file: str, table: dict[str, Any], genres: Mapping[str, KnownGenre]) -> Entry:
    unknown = table.keys() - {field.name for field in fields(Entry)}
    unknown |= {*table.get("genres", ()), *table.get("hints", ())} - genres.keys()
    if unknown:
        raise LexiconError(f"{file}: {', '.join(sorted(unknown))} is neither a key nor a genre")
    return Entry(**{**table, "tempo": _pair(table.get("tempo"))})


def _add(entries: dict[str, Entry], file: str, words: Sequence[str], entry: Entry) -> None:
    for phrase in map(normal_phrase, words):
        if phrase in entries and entries[phrase] != entry:
            raise LexiconError(f"{file}: {phrase!r} has two meanings")
        entries[phrase] = entry


def _pair(values: Sequence[float] | None) -> tuple[float, float] | None:
    if values is None:
        return None
    lowest, highest = values
    return float(lowest), float(highest)


def _by_letter(words: frozenset[str]) -> dict[str, Sequence[str]]:
    from soundstage.stages.words.spelling import SHORTEST

    letters: defaultdict[str, list[str]] = defaultdict(list)
    for word in sorted(words):
        if len(word) >= SHORTEST and word.isalpha():
            letters[word[0]].append(word)
    return dict(letters)
