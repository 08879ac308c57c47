"""The folder of the models that are named by their bare names."""

import re
from pathlib import Path

from soundstage.user_folders import user_data_folder


def models_folder() -> Path:
    """Returns the folder in which models are looked up by bare name."""
    return user_data_folder() / "models"


def is_model_name(text: str) -> bool:
    """Whether a text is the bare name of a model, rather than a path or another kind of source."""
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", text) is not None and not text.endswith(
        (".safetensors", ".tar")
    )


def model_paths(name: str) -> list[Path]:
    """Returns every path that a model of this name may have; the first that exists is used.

    The path of a converted model comes first, because that model loads fastest.
    """
    folder = models_folder()
    return [folder / f"{name}.safetensors", folder / f"{name}.tar", folder / name]
