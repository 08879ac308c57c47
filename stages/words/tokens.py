"""Prompts and phrases as words."""

import re
import unicodedata

# A word, with apostrophes, decimal points and a sharp sign inside; or a mark.
_TOKEN = re.compile(r"\d+[.,]\d+|[^\W_]+(?:['\u2019][^\W_]+)*#?|[&,;.!?:()\n]")
_SHORTHANDS = (
    (re.compile(r"\bw/o\b", re.IGNORECASE), " without "),
    (re.compile(r"\bw/"), " with "),
)
# Marks that end a phrase and a negation.
STOPS = frozenset(",;.!?:()\n")
# The longest prompt that is read, in words; the rest of a longer one is ignored.
MOST_WORDS = 200


def split_words(text: str) -> list[str]:
    """Splits a text into words and marks, as typed; hyphens and blanks separate words.

    Args:
        text: any string.

    Returns:
        At most `MOST_WORDS` words and marks, in the forms of NFKC.
    """
    plain = unicodedata.normalize("NFKC", text.encode("utf-8", "replace").decode())
    for shorthand, word in _SHORTHANDS:
        plain = shorthand.sub(word, plain)
    words = []
    for match in _TOKEN.finditer(plain):
        words.append(match[0].replace("\u2019", "'"))
        if len(words) == MOST_WORDS:
            break
    return words


def normal_phrase(text: str) -> str:
    """Returns a phrase as the lexicon stores it: lower case, one blank between words."""
    return " ".join(word.lower() for word in split_words(text))
