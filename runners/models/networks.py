"""What models need to know of `stages`: where models lie, what is in them, converting them."""

from importlib import import_module
from pathlib import Path
from typing import Any


def models_folder() -> Path:
    """Where models are looked up by bare name."""
    folder: Path = import_module("soundstage.stages.models_folder").models_folder()
    return folder


def model_paths(name: str) -> list[Path]:
    """Every place where a model may lie; the first that exists is used."""
    paths: list[Path] = import_module("soundstage.stages.models_folder").model_paths(name)
    return paths


def is_model_name(text: str) -> bool:
    """Whether a text is a bare name rather than a path."""
    return bool(import_module("soundstage.stages.models_folder").is_model_name(text))


def open_source(text: str) -> Any:
    """Opens weights, as `stages.weights.open_source`."""
    return import_module("soundstage.stages.weights").open_source(text)


def open_file(path: Path, name: str) -> Any:
    """Opens one published file, as `stages.published.open_published`."""
    return import_module("soundstage.stages.published").open_published(path, name)


def plan_conversion(source: Any, dtype: str) -> Any:
    """Plans a conversion, as `stages.conversion.plan_conversion`."""
    return import_module("soundstage.stages.conversion").plan_conversion(source, dtype)
