"""File names made from prompts."""

import unicodedata

_LONGEST = 40


def slug(text: str) -> str:
    """Returns a text's whole words, of letters and digits of any script, joined by hyphens.

    At most 40 characters: the words after them are left out, and a first word that is longer is
    cut. Returns "" for a text without a word.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    words = "".join(c if c.isalnum() else " " for c in folded).split()
    name = ""
    for word in words:
        longer = f"{name}-{word}" if name else word[:_LONGEST]
        if len(longer) > _LONGEST:
            break
        name = longer
    return name
