"""What pydantic found wrong, in the words of a pipeline file."""

import json
from collections.abc import Mapping
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
    """Makes a dataclass from a table, without guessing: "25" is not 25 and true is not 1.

    Raises:
        pydantic.ValidationError: a key is missing or its value is of another type or refused.
    """
    # As JSON because pydantic's strictness towards JSON is TOML's idea of types: a list may fill
    # a tuple and 2 a float, but no text becomes a number.
    text = json.dumps(dict(table), default=str)
    return TypeAdapter(declared).validate_json(text, strict=True)


def said(fault: ErrorDetails) -> tuple[str, str]:
    """What is wrong and what to do about it; the latter may be empty."""
    if fault["type"] == "missing":
        return "missing", "add it"
    if fault["type"] in _EXPECTED:
        return f"expected {_EXPECTED[fault['type']]}, got {fault['input']!r}", ""
    return fault["msg"].removeprefix("Value error, "), ""
