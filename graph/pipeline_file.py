"""Reads pipeline files."""

from pathlib import Path
from typing import Any

from soundstage.graph.problem import PipelineError, Problem
from soundstage.graph.spec import parse, parse_toml


def read_tables(path: Path) -> dict[str, Any]:
    """Reads a pipeline file as plain tables with known keys and types, without checking its edges.

    Raises:
        PipelineError: the file cannot be read, is not TOML, or has a key that is unknown, missing
            or of a wrong type.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise PipelineError([Problem(str(path), f"cannot read it: {reason}")]) from error
    tables = parse_toml(text, str(path))
    parse(tables)
    return tables
