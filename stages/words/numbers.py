"""Tempos and keys in prompts: "126 bpm", "at 90", "C sharp minor"."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

SLOWEST_BPM, FASTEST_BPM = 30.0, 300.0
# A number without "bpm" is a tempo only in this range.
SLOWEST_ALONE, FASTEST_ALONE = 50.0, 220.0
_NUMBER = re.compile(r"(\d+(?:[.,]\d+)?)(bpm)?")
_UNITS = ("bpm", "beats")
_SHARPS = {"c": "D flat", "d": "E flat", "f": "F sharp", "g": "A flat", "a": "B flat"}
_FLATS = {"d": "D flat", "e": "E flat", "g": "F sharp", "a": "A flat", "b": "B flat"}
_MODES = {
    **dict.fromkeys(("major", "maj", "dur", "majeur", "mayor", "maggiore", "ionian"), "major"),
    **dict.fromkeys(("minor", "min", "moll", "mineur", "menor", "minore", "aeolian"), "minor"),
    **{mode: mode for mode in ("dorian", "mixolydian", "lydian", "phrygian")},
}
_SIGNS = {"sharp": _SHARPS, "flat": _FLATS}


@dataclass(frozen=True)
class Tempo:
    """A tempo in a prompt.

    Attributes:
        lowest: beats a minute.
        highest: beats a minute; equal to `lowest` unless the prompt has a range.
        words: how many words it takes.
    """

    lowest: float
    highest: float
    words: int


@dataclass(frozen=True)
class Key:
    """A key in a prompt.

    Attributes:
        tonic: as descriptions say it.
        mode: as descriptions say it; "" = not said.
        words: how many words it takes.
    """

    tonic: str
    mode: str
    words: int


def read_tempo(words: Sequence[str]) -> Tempo | None:
    """Reads a tempo at the start of some words in lower case; None = there is none there."""
    if words[:1] in (["bpm"], ["tempo"]) and (after := _number(words[1:2])) is not None:
        return _tempo(after, after, 2, named=True)
    first = _number(words[:1])
    if first is None:
        return None
    if _has_unit(words[:1]) or (words[1:2] and words[1] in _UNITS):
        length = 1 if _has_unit(words[:1]) else 2
        length += 2 if words[1:4] == ["beats", "per", "minute"] else 0
        return _tempo(first, first, length, named=True)
    skipped = 2 if words[1:2] == ["to"] else 1
    second = _number(words[skipped : skipped + 1])
    if second is not None and first < second:
        end = skipped + 1
        named = _has_unit(words[skipped:end]) or words[end : end + 1] == ["bpm"]
        length = end + (words[end : end + 1] == ["bpm"])
        return _tempo(first, second, length, named)
    return _tempo(first, first, 1, named=False)


def read_key(words: Sequence[str], after_in: bool) -> Key | None:
    """Reads a key at the start of some words in lower case; None = there is none there.

    Args:
        words: e.g. ["c", "sharp", "minor"] or ["eb"].
        after_in: whether a tonic without a mode is a key, as the last word of "blues in E" is.
    """
    tonic, length = _tonic(words)
    if not tonic:
        return None
    mode = _MODES.get(words[length], "") if len(words) > length else ""
    if not mode and not after_in:
        return None
    # "a minor key" has an article and no tonic.
    if mode and words[0] == "a" and words[length + 1 : length + 2] == ["key"]:
        return None
    return Key(tonic, mode, length + bool(mode))


def _tonic(words: Sequence[str]) -> tuple[str, int]:
    """Returns a tonic and how many words it takes; ("", 0) = there is none."""
    word = words[0] if words else ""
    if not word or word[0] not in "abcdefg" or len(word) > 2:
        return "", 0
    if len(word) == 2:
        signs = {"#": _SHARPS, "b": _FLATS}.get(word[1], {})
        return (signs[word[0]], 1) if word[0] in signs else ("", 0)
    signs = _SIGNS.get(words[1], {}) if len(words) > 1 else {}
    return (signs[word], 2) if word in signs else (word.upper(), 1)


def _number(words: Sequence[str]) -> float | None:
    match = _NUMBER.fullmatch(words[0]) if words else None
    return float(match[1].replace(",", ".")) if match else None


def _has_unit(words: Sequence[str]) -> bool:
    return bool(words) and words[0].endswith("bpm")


def _tempo(lowest: float, highest: float, words: int, named: bool) -> Tempo | None:
    least, most = (SLOWEST_BPM, FASTEST_BPM) if named else (SLOWEST_ALONE, FASTEST_ALONE)
    return Tempo(lowest, highest, words) if least <= lowest <= highest <= most else None
