"""Finds and reads presets, the pipeline files that ship with the package."""

from copy import deepcopy
from importlib.resources import files
from pathlib import Path, PurePath
from typing import Any

from soundstage.graph.pipeline_file import read_tables
from soundstage.graph.problem import PipelineError, Problem, suggest
from soundstage.graph.spec import PipelineSpec, parse

DEFAULT = "demo"


def preset_names() -> list[str]:
    """Returns the names of all presets, sorted."""
    return sorted(path.stem for path in _folder().glob("*.toml"))


def preset_path(name: str) -> Path:
    """Returns the path of a preset's pipeline file.

    Raises:
        PipelineError: no preset has this name.
    """
    path = _folder() / f"{name}.toml"
    if name not in preset_names():
        cure = suggest(name, preset_names())
        raise PipelineError([Problem("--preset", f"no preset named {name!r}", cure)])
    return path


def is_pipeline_file(named: str | PurePath) -> bool:
    """Whether what names a pipeline is a file: it ends in .toml, contains / or exists."""
    text = str(named)
    return (
        isinstance(named, PurePath) or text.endswith(".toml") or "/" in text or Path(text).is_file()
    )


def read_preset(name: str) -> PipelineSpec:
    """Reads a preset's pipeline file, without checking its edges.

    Raises:
        PipelineError: no preset has this name.
    """
    return parse(read_tables(preset_path(name)))


def fill_from_preset(tables: dict[str, Any], preset: dict[str, Any]) -> dict[str, Any]:
    """Returns a pipeline file's tables with the params of a preset.

    If both have a stage of the same name and class, the preset's `params` replace the file's. All
    else, including stages of another class, is left as in the file.

    Args:
        tables: the tables of the pipeline file.
        preset: the tables of the preset's file.
    """
    filled = deepcopy(tables)
    for name, stage in filled.get("stage", {}).items():
        model = preset["stage"].get(name, {})
        if model.get("use") == stage.get("use") and "params" in model:
            stage["params"] = deepcopy(model["params"])
    return filled


def _folder() -> Path:
    return Path(str(files("soundstage.presets")))
