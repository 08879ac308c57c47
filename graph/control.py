"""Control values: conversion of a user's or a file's value to what its port carries."""

import math
import unicodedata
from collections.abc import Mapping
from typing import Any

import numpy as np

from soundstage.errors import Error
from soundstage.graph.port import Port
from soundstage.graph.wire import fixed_shape

# The kind of ports that carry prompts.
PROMPT_KIND = "text prompt"
# Blanks, line ends, control characters and marks without width, such as U+200B; and characters of
# other categories that are drawn as nothing: fillers, the blank of Braille, selectors of variants.
_UNSEEN_CATEGORIES = frozenset({"Zs", "Zl", "Zp", "Cc", "Cf"})
_UNSEEN = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0") | {
    chr(selector) for selector in range(0xFE00, 0xFE10)
}


class ControlError(Error, ValueError):
    """A control's value does not fit its port; the message has the control, value and range."""

    exit_code = 3


def to_row(name: str, value: Any, port: Port, dims: Mapping[str, int]) -> Any:
    """Converts one stream's value of a control to what its port carries for one row.

    Args:
        name: the control, quoted in errors.
        value: a number, text, list or array.
        port: the port that the control feeds.
        dims: sizes of the port's dimensions.

    Returns:
        A NumPy scalar or array of the port's dtype, or text, or a list of texts.

    Raises:
        ControlError: wrong type or shape, not finite, or outside the port's range.
    """
    if port.dtype == "utf8":
        return _text(name, value, port)
    try:
        array = _array(value)
    except (ValueError, TypeError) as error:
        raise ControlError(f"{name}: expected numbers, got {_short(value)}") from error
    fixed = fixed_shape(port, dims)
    if port.ragged and array.shape[:1] == (0,):
        array = np.zeros((0, *fixed), port.dtype)
    shape = (*array.shape[:1], *fixed) if port.ragged else fixed
    numbers = array.dtype.kind in "iuf" and not _has_bool(value)
    if not numbers or array.shape != shape or (port.ragged and not array.ndim):
        raise ControlError(f"{name}: expected {_wanted(port, fixed)}, got {_short(value)}")
    _check_range(name, array, port)
    return array.astype(port.dtype)[()]


def read_number(text: str) -> int | float | str:
    """The number that a text holds, such as "7" or "0.5".

    Returns:
        The number; the text itself if it is none, for `to_row` to refuse with its name.
    """
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def is_blank(text: str) -> bool:
    """Whether a text has characters, and none of them can be seen; False for the empty text."""
    return text != "" and all(
        unicodedata.category(letter) in _UNSEEN_CATEGORIES or letter in _UNSEEN for letter in text
    )


def as_float(number: int | float) -> float:
    """A number as a float: infinity in place of a whole number that no float can hold."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def _array(value: Any) -> np.ndarray:
    array = np.asarray(value)
    # NumPy keeps whole numbers of more than 64 bits as objects of Python.
    if array.dtype == object and all(type(number) in (int, float) for number in array.flat):
        floats = np.array([as_float(number) for number in array.flat]).reshape(array.shape)
        return floats if np.isfinite(floats).all() else array
    return array


def _wanted(port: Port, fixed: tuple[int, ...]) -> str:
    if port.ragged:
        return f"a list of {port.dtype}" + (f" {list(fixed)} each" if fixed else "")
    if port.shape:
        return port.dtype
    return "a whole number" if port.whole else "a number"


def _has_bool(value: Any) -> bool:
    """Whether a list holds a truth value, which NumPy would turn into a number."""
    return isinstance(value, list | tuple) and any(
        isinstance(item, bool | np.bool_) or _has_bool(item) for item in value
    )


def _text(name: str, value: Any, port: Port) -> Any:
    texts = value if port.ragged else [value]
    if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
        expected = "a list of texts" if port.ragged else "text"
        raise ControlError(f"{name}: expected {expected}, got {_short(value)}")
    for text in texts:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            message = f"{name}: {_short(text)} is not text that UTF-8 can write"
            raise ControlError(message) from error
        if port.kind == PROMPT_KIND and is_blank(text):
            raise ControlError(
                f"{name}: the prompt {_short(text)} has blanks only: describe the music, or write "
                'an empty text, "", for no description'
            )
    return list(texts) if port.ragged else value


def _check_range(name: str, array: np.ndarray, port: Port) -> None:
    if not array.size:
        return
    if not np.isfinite(array).all():
        raise ControlError(f"{name}: {_short(array.tolist())} is not a finite number")
    if port.whole and array.dtype.kind == "f" and (array != np.round(array)).any():
        raise ControlError(f"{name}: expected a whole number, got {_short(array.tolist())}")
    low, high = port.bounds
    # Python's numbers compare exactly; to NumPy, 2.0**63 and 2**63 - 1 are equal.
    if array.min().item() < low or array.max().item() > high:
        # A unit such as "semitones" states no range; one such as "[0, 10], 0 = greedy" does.
        bounds = port.unit if any(map(str.isdigit, port.unit)) else f"[{low}, {high}] {port.unit}"
        text = f"{_short(array.tolist())} is outside the range {bounds.rstrip()}"
        raise ControlError(f"{name}: {text}")


def _short(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {list(value.shape)}"
    try:
        text = repr(value)
    except ValueError:  # a whole number of more digits than Python writes
        return "a number of thousands of digits"
    return text if len(text) <= 60 else f"{text[:57]}..."
