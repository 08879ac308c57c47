"""Reads JSON and TOML from anywhere, with limits on what a document may hold.

Every document that soundstage reads comes through here. Python's own readers end in a
RecursionError on a document of many levels, turn 1e999 into infinity, and make whole numbers that
neither NumPy nor a float can hold.
"""

import json
import math
import sys
import tomllib
from collections.abc import Iterator
from typing import Any

from soundstage.errors import Error

# Tables and lists within each other. Documents of soundstage have at most eight levels.
DEEPEST = 64
_LEAST_INT64, _GREATEST_INT64 = -(2**63), 2**63 - 1
# The longest whole number that Python reads.
MOST_DIGITS = 4300
# A whole number of fewer letters fits in an int64.
_SHORT = 19


class DocumentError(Error, ValueError):
    """A document is not JSON or TOML, has too many levels, or a number that nothing can hold.

    Attributes:
        where: the keys that lead to the value, with dots between; "" = the whole document.
    """

    exit_code = 3

    def __init__(self, message: str, where: str = "") -> None:
        """Makes the error of one value.

        Args:
            message: what is wrong.
            where: the keys that lead to the value, with dots between; "" = the whole document.
        """
        self.where = where
        super().__init__(f"{where}: {message}" if where else message)


class NotADocument(DocumentError):
    """A text is not JSON, or not TOML."""


class _Beyond(float):
    """Infinity, in place of a number that no float can hold."""

    text: str


def read_json(document: str | bytes, any_whole: bool = False) -> Any:
    """Reads JSON.

    A number is an int if it is whole and fits in 64 bits, else a float: JSON has but one kind, and
    JavaScript writes 1e20 as 100000000000000000000.

    Args:
        document: text, or bytes of UTF-8 with or without a byte order mark.
        any_whole: whether whole numbers of up to `MOST_DIGITS` digits are ints, so that the reader
            of a field says what fits it.

    Raises:
        NotADocument: the document is not JSON; NaN and Infinity are not.
        DocumentError: it has more than `DEEPEST` levels, a number that no float can hold, or text
            that UTF-8 cannot write.
    """
    try:
        text = document.decode("utf-8-sig") if isinstance(document, bytes) else document
        value = json.loads(
            text,
            parse_constant=_refuse_constant,
            parse_float=_number,
            parse_int=_any_whole if any_whole else _json_whole,
        )
    except UnicodeDecodeError as error:
        raise NotADocument(f"not text in UTF-8: {error.reason} at byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise NotADocument(f"it is not JSON: {error}") from error
    except RecursionError as error:
        raise _too_deep() from error
    _check(value)
    return value


def read_toml(text: str) -> dict[str, Any]:
    """Reads TOML.

    Infinity and NaN, which TOML has words for, are returned as floats.

    Raises:
        NotADocument: the text is not TOML; the message is the reason, with line and column.
        DocumentError: it has more than `DEEPEST` levels, a whole number of more than 64 bits, or
            another number that no float can hold.
    """
    try:
        tables = tomllib.loads(text, parse_float=_toml_float)
    except tomllib.TOMLDecodeError as error:
        raise NotADocument(str(error)) from error
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError as error:
        # Python refuses to read a whole number of more than 4300 digits.
        raise DocumentError(f"a whole number has more than {MOST_DIGITS} digits") from error
    _check(tables, wide=False)
    return tables


def _check(document: Any, wide: bool = True) -> None:
    """Refuses levels, numbers and texts beyond the limits; needs no recursion.

    Args:
        document: lists, dicts and what they hold.
        wide: whether whole numbers may have more than 64 bits.
    """
    level, values = 0, [("", document)]
    while values:
        if level == DEEPEST and any(isinstance(value, dict | list) for _, value in values):
            raise _too_deep()
        for where, value in values:
            _check_value(where, value, wide)
        values = [part for where, value in values for part in _parts(where, value)]
        level += 1


def _parts(where: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, part in value.items():
            _check_value(where, key, wide=True)
            yield (f"{where}.{key}" if where else key), part
    elif isinstance(value, list):
        yield from ((where, part) for part in value)


def _check_value(where: str, value: Any, wide: bool) -> None:
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:
            problem = f"{value[:40]!r} is not text that UTF-8 can write"
            raise DocumentError(problem, where) from error
    elif isinstance(value, _Beyond):
        shown = value.text if len(value.text) <= 20 else f"a number of {len(value.text)} letters"
        raise DocumentError(f"{shown} is beyond {sys.float_info.max:.2g}, the greatest", where)
    elif isinstance(value, int) and not wide and not _LEAST_INT64 <= value <= _GREATEST_INT64:
        raise DocumentError("a whole number of more than the 64 bits that it may have", where)


def _any_whole(digits: str) -> int | float:
    return int(digits) if len(digits) <= MOST_DIGITS else _number(digits)


def _json_whole(digits: str) -> int | float:
    if len(digits) < _SHORT:
        return int(digits)
    number = _number(digits)
    if math.fabs(number) > 2.0**63:
        return number
    exact = int(digits)
    return exact if _LEAST_INT64 <= exact <= _GREATEST_INT64 else number


def _toml_float(text: str) -> float:
    return float(text) if text.strip("+-") in ("inf", "nan") else _number(text)


def _number(text: str) -> float:
    number = float(text)
    if not math.isinf(number):
        return number
    beyond = _Beyond(number)
    beyond.text = text
    return beyond


def _refuse_constant(name: str) -> None:
    raise NotADocument(f"it is not JSON: {name} is no number of JSON")


def _too_deep() -> DocumentError:
    return DocumentError(f"more than {DEEPEST} levels of lists and tables within each other")
