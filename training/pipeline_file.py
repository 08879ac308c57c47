"""Writes a pipeline file: the tables of a pipeline as TOML that `soundstage` reads back."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from soundstage.graph.spec import PipelineSpec

BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def pipeline_text(spec: PipelineSpec, comment: str) -> str:
    """Returns a pipeline as TOML; `graph.spec.parse` reads the same pipeline from it.

    Args:
        spec: the pipeline.
        comment: for the file's first line.
    """
    tables = spec.as_dict()
    stages = tables.pop("stage")
    plain = {key: value for key, value in tables.items() if not isinstance(value, dict)}
    lines = [f"# {' '.join(comment.split())}", "", *_lines(plain)]
    for name, table in tables.items():
        if isinstance(table, dict) and table:
            lines += ["", f"[{_key(name)}]", *_lines(table)]
    for name, stage in stages.items():
        lines += ["", f"[stage.{_key(name)}]", *_lines(stage)]
    return "\n".join(lines) + "\n"


def _lines(table: Mapping[str, Any]) -> list[str]:
    return [f"{_key(key)} = {_value(value)}" for key, value in table.items()]


def _key(key: str) -> str:
    return key if BARE_KEY.fullmatch(key) else _text(key)


def _value(value: Any) -> str:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(_lines(value)) + " }" if value else "{}"
    if isinstance(value, Sequence):
        return "[" + ", ".join(map(_value, value)) + "]"
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _text(text: str) -> str:
    # JSON's escapes are TOML's too, but TOML does not allow an unescaped DEL.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
