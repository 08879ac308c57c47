"""Text of a user or a file, made safe to print on a terminal and to write as XML."""

import re
import textwrap

# Characters that move a terminal's cursor or that XML forbids.
_ILLEGIBLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")


def legible(text: str) -> str:
    """Replaces every control character and every character that XML forbids by U+FFFD."""
    return _ILLEGIBLE.sub("\ufffd", text)


def wrapped(text: str, most: int) -> list[str]:
    """Wraps text to legible lines of at most `most` letters."""
    return [legible(line) for line in textwrap.wrap(text, most)]
