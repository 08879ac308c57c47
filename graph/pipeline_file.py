"""A pipeline file, read."""

from pathlib import Path
from typing import Any

from soundstage.graph.problem import PipelineError, Problem
from soundstage.graph.spec import parse, parse_toml


def read_tables(path: Path) -> dict[str, Any]:
    """Reads a pipeline file as plain tables of the right form; checks no edge yet.

    Raises:
        PipelineError: the file cannot be read, is not TOML or has keys that no pipeline has.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise PipelineError([Problem(str(path), f"cannot read it: {said}")]) from error
    tables = parse_toml(text, str(path))
    parse(tables)
    return tables
