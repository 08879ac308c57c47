"""From a pipeline file to a checked graph, in one call."""

from collections.abc import Iterable
from pathlib import Path

from graph.check import build
from graph.overrides import apply
from graph.plan import Graph
from graph.problem import PipelineError, Problem
from graph.spec import PipelineSpec, parse, parse_toml


def load(
    path: Path,
    settings: Iterable[str] = (),
    placements: Iterable[str] = (),
    allow: Iterable[str] = (),
) -> Graph:
    """Reads, overrides and checks a pipeline file; loads no weights.

    Args:
        path: the TOML file.
        settings: overrides such as "sample.params.size=large" (see `graph.overrides`).
        placements: overrides such as "decode=cpu".
        allow: module prefixes, besides "stages.", that `use` may name.

    Raises:
        PipelineError: with every problem found.
    """
    return build(read_spec(path, settings, placements), allow)


def read_spec(
    path: Path, settings: Iterable[str] = (), placements: Iterable[str] = ()
) -> PipelineSpec:
    """Reads and overrides a pipeline file; arguments and errors as for `load`."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise PipelineError([Problem(str(path), f"cannot read it: {said}")]) from error
    tables = parse_toml(text, str(path))
    parse(tables)  # overrides need tables of the right form
    return parse(apply(tables, settings, placements))
