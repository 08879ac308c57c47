"""The JSON schema of pipeline files, from the declaration of their contents, for editors."""

from __future__ import annotations

import inspect
import json
import re
from typing import Any

from pydantic import BaseModel, TypeAdapter

from soundstage.graph.format import Format
from soundstage.graph.spec import FeedbackSpec, PipelineSpec, PlacementSpec, StageSpec

DIALECT = "http://json-schema.org/draft-07/schema#"
_TABLES: tuple[type[BaseModel], ...] = (FeedbackSpec, PlacementSpec, StageSpec)
# An entry of a docstring's "Attributes:", and the indented lines that go on.
_ENTRY = re.compile(r"^    (\w+): (.*(?:\n      .*)*)", re.MULTILINE)


def file_schema() -> dict[str, Any]:
    """Returns the schema as JSON's objects; it knows keys and types, and not the stages' ports."""
    tables = {table.__name__: _described(table.model_json_schema(), table) for table in _TABLES}
    whole = _described(PipelineSpec.model_json_schema(), PipelineSpec)
    properties = whole["properties"]
    properties["format"] |= _described(TypeAdapter(Format).json_schema(), Format)
    properties["format"] |= {"additionalProperties": False}
    for length in properties["format"]["properties"].values():
        length["exclusiveMinimum"] = 0
    return {
        "$schema": DIALECT,
        "title": "A pipeline of soundstage",
        **_plain(whole),
        "definitions": _plain(tables),
    }


def file_schema_text() -> str:
    """Returns the schema as the text of the file `pipeline.schema.json`."""
    return json.dumps(file_schema(), indent=2) + "\n"


def _described(schema: dict[str, Any], declared: type) -> dict[str, Any]:
    """Returns a table's schema with the descriptions of its docstring."""
    text = inspect.getdoc(declared) or ""
    entries = {name: " ".join(words.split()) for name, words in _ENTRY.findall(text)}
    schema = {key: value for key, value in schema.items() if key not in ("$defs", "required")} | {
        "description": text.partition("\n")[0],
        **({"required": schema["required"]} if "required" in schema else {}),
    }
    for name, value in schema["properties"].items():
        words = entries.get(name, entries.get(f"{name}_", ""))
        if words:
            value["description"] = words
    return schema


def _plain(schema: Any) -> Any:
    """Returns a schema without what versions of pydantic write differently."""
    if isinstance(schema, list):
        return [_plain(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return schema | {"$ref": schema["$ref"].replace("#/$defs/", "#/definitions/")}
    if "const" in schema:
        schema = {key: value for key, value in schema.items() if key not in ("enum", "type")}
    is_property = "title" in schema and isinstance(schema["title"], str)
    kept = {key: value for key, value in schema.items() if key != "title" or not is_property}
    if kept.get("additionalProperties") is True:
        del kept["additionalProperties"]
    return {key: _plain(value) for key, value in kept.items()}
