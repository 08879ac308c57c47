"""What a pipeline lacks before any of its stages is built: all of it at once, and the cure."""

from __future__ import annotations

from typing import Any

from soundstage.errors import ModelError
from soundstage.stages.weights.models_folder import model_paths
from soundstage.stages.weights.published.catalogue import Catalogue, read_catalogue


def check_models(name: str, tables: dict[str, Any]) -> None:
    """Refuses a pipeline whose published models have not been fetched.

    Args:
        name: the pipeline's.
        tables: the pipeline, as its file has it.

    Raises:
        ModelError: naming every model that is not there, and the command that fetches them.
    """
    catalogue = read_catalogue()
    needed = catalogue.needed(tables)
    lacking = [model for model in needed if not any(path.exists() for path in model_paths(model))]
    if lacking:
        commands = " and ".join(f"`soundstage models download {model}`" for model in lacking)
        preset = _preset(catalogue, needed)
        cure = f"`soundstage models download {preset}`" if preset else commands
        raise ModelError(f"{name}: needs {', '.join(lacking)}, not here yet; fetch with {cure}")


def _preset(catalogue: Catalogue, needed: tuple[str, ...]) -> str | None:
    """The preset that needs just these models, if there is one."""
    return next((name for name, models in catalogue.presets.items() if models == needed), None)
