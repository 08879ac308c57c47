"""Text from a pipeline file, made fit for a terminal and for XML."""

import re
import textwrap

# What moves a terminal's cursor, or what XML cannot hold.
_ILLEGIBLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")


def legible(text: str) -> str:
    """The text with U+FFFD in place of every character that nobody can read."""
    return _ILLEGIBLE.sub("\ufffd", text)


def wrapped(text: str, most: int) -> list[str]:
    """The text in legible lines of at most `most` letters."""
    return [legible(line) for line in textwrap.wrap(text, most)]
