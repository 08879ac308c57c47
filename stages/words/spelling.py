"""Other forms of a word: without its ending, or without a typing mistake."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import SequenceMatcher

# The shortest word whose mistakes are corrected, and how alike the words have to be, 0 to 1.
SHORTEST = 5
ALIKE = 0.82
# How much less alike the second-best word has to be.
CLEARLY = 0.03
# Endings, and what replaces them; the first form that is known counts.
_ENDINGS = (
    ("'s", ""),
    ("s", ""),
    ("es", ""),
    ("ies", "y"),
    ("y", ""),
    ("ey", "e"),
    ("ish", ""),
    ("esque", ""),
    ("ly", ""),
    ("ily", "y"),
    ("er", ""),
    ("r", ""),
    ("ier", "y"),
    ("est", ""),
    ("iest", "y"),
    ("ing", ""),
    ("ing", "e"),
    ("ed", ""),
    ("ed", "e"),
    ("e", ""),
    ("es", ""),
    ("er", "e"),
    ("en", ""),
    ("em", ""),
)
_SHORTEST_STEM = 3


def stems(word: str) -> Iterator[str]:
    """Returns forms of a word without common endings: "jazzy", "happily", "faster"."""
    if "'" in word:
        yield word.replace("'", "")
    for ending, instead in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST_STEM:
            stem = word[: len(word) - len(ending)]
            yield stem + instead
            if len(stem) > _SHORTEST_STEM and stem[-1] == stem[-2] and not instead:
                yield stem[:-1]


def corrected(
    word: str, by_letter: Mapping[str, Sequence[str]], same: Callable[[str, str], bool]
) -> str | None:
    """Returns the known word that a long word was probably meant to be.

    Args:
        word: in lower case.
        by_letter: the known words of `SHORTEST` letters or more, by their first letter.
        same: whether two known words have one meaning.

    Returns:
        The word that is most alike and begins with the same letter; None = there is none, or a
        second one with another stem and meaning is nearly as much alike.
    """
    if len(word) < SHORTEST or not word.isalpha():
        return None
    matcher = SequenceMatcher(autojunk=False)
    matcher.set_seq2(word)
    scored = []
    for known in by_letter.get(word[0], ()):
        most = 2 * min(len(known), len(word)) / (len(known) + len(word))
        if most < ALIKE:
            continue
        matcher.set_seq1(known)
        if matcher.quick_ratio() >= ALIKE and (alike := matcher.ratio()) >= ALIKE:
            scored.append((alike, known))
    scored.sort(key=lambda pair: (-pair[0], pair[1]))
    if not scored:
        return None
    best, known = scored[0]
    rivals = (word for alike, word in scored[1:] if best - alike < CLEARLY)
    return known if all(_related(known, rival) or same(known, rival) for rival in rivals) else None


def _related(first: str, second: str) -> bool:
    return first.startswith(second[:-2]) or second.startswith(first[:-2])
