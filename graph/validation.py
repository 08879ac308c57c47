"""Dataclasses from tables, and pydantic's errors in the words of a pipeline file."""

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import TypeAdapter
from pydantic_core import ErrorDetails

_EXPECTED = {
    "bool_type": "true or false",
    "dict_type": "a table",
    "dataclass_type": "a table",
    "float_type": "a number",
    "int_from_float": "a whole number",
    "int_type": "a whole number",
    "list_type": "a list",
    "model_type": "a table",
    "string_type": "text",
    "tuple_type": "a list",
}


def read(declared: type, table: Mapping[str, Any]) -> Any:
    """Makes a dataclass from a table without converting types: "25" is not 25, true is not 1.

    Raises:
        pydantic.ValidationError: a key is missing, or its value is of another type or out of range.
    """
    # As JSON because pydantic's strict rules for JSON are those of TOML: a list may fill a tuple
    # and 2 a float, but no text becomes a number.
    text = json.dumps(dict(table), default=str)
    return TypeAdapter(declared).validate_json(text, strict=True)


def not_finite(table: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Finds numbers that are infinite or NaN, in a table and in its tables and lists.

    Yields:
        The keys that lead to a number, with dots between, and the number.
    """
    for key, value in table.items():
        values = value if isinstance(value, list) else [value]
        for part in values:
            if isinstance(part, float) and not math.isfinite(part):
                yield key, part
            elif isinstance(part, Mapping):
                yield from ((f"{key}.{rest}", number) for rest, number in not_finite(part))
            elif isinstance(part, list):
                yield from not_finite({key: part})


def explain(error: ErrorDetails) -> tuple[str, str]:
    """Returns what is wrong and its cure, which may be empty."""
    if error["type"] == "missing":
        return "missing", "add it"
    if error["type"] in _EXPECTED:
        return f"expected {_EXPECTED[error['type']]}, got {error['input']!r}", ""
    return error["msg"].removeprefix("Value error, "), ""
