"""Presets: the pipeline files that ship with the package, found by name."""

from copy import deepcopy
from importlib.resources import files
from pathlib import Path
from typing import Any

from soundstage.graph.pipeline_file import read_tables
from soundstage.graph.problem import PipelineError, Problem, suggest
from soundstage.graph.spec import PipelineSpec, parse

DEFAULT = "demo"


def preset_names() -> list[str]:
    """The names of all presets, sorted."""
    return sorted(path.stem for path in _folder().glob("*.toml"))


def preset_path(name: str) -> Path:
    """The pipeline file behind a preset.

    Raises:
        PipelineError: there is no such preset.
    """
    path = _folder() / f"{name}.toml"
    if name not in preset_names():
        cure = suggest(name, preset_names())
        raise PipelineError([Problem("--preset", f"no preset named {name!r}", cure)])
    return path


def read_preset(name: str) -> PipelineSpec:
    """A preset as its file has it; no edge is checked.

    Raises:
        PipelineError: there is no such preset.
    """
    return parse(read_tables(preset_path(name)))


def fill_from_preset(tables: dict[str, Any], preset: dict[str, Any]) -> dict[str, Any]:
    """A pipeline file's graph with a preset's settings.

    Where both have a stage of the same name and class, the preset's `params` replace the file's;
    everything else, the stages that the file swapped included, stays as the file has it.

    Args:
        tables: the file.
        preset: the preset's file.
    """
    filled = deepcopy(tables)
    for name, stage in filled.get("stage", {}).items():
        model = preset["stage"].get(name, {})
        if model.get("use") == stage.get("use") and "params" in model:
            stage["params"] = deepcopy(model["params"])
    return filled


def _folder() -> Path:
    return Path(str(files("soundstage.presets")))
