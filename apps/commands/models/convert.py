"""`soundstage models convert`: a model as one file that the next start maps into memory."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from soundstage.errors import ModelError
from soundstage.files import replacing, reporting
from soundstage.progress import Progress
from soundstage.stages.weights.conversion import DType, plan_conversion
from soundstage.stages.weights.models_folder import is_model_name, models_folder
from soundstage.stages.weights.sources import open_source


def convert(source: str, target: str, dtype: DType, progress: Progress) -> str:
    """Writes weights as one safetensors file, array by array.

    Args:
        source: the weights, as a pipeline's `weights` names them.
        target: a path that ends in .safetensors, or a bare name in the models folder.
        dtype: what the network will compute in.
        progress: where news goes.

    Returns:
        What was written, for people.

    Raises:
        WeightsError: the source cannot be read, or cannot be converted to that.
        ModelError: the target is no name for such a file.
        OutputError: it cannot be written.
    """
    path = _target(target)
    with closing(open_source(source)) as opened:
        plan = plan_conversion(opened, dtype)
        moving = progress.moving(path.name, plan.data_bytes)
        with moving as moved, replacing(path, plan.file_bytes) as stream:
            plan.write(opened, stream, moved)
    return (
        f"{path}: {plan.network}, {len(plan.shapes)} arrays, {plan.parameters / 1e6:.1f} M "
        f"parameters, {plan.file_bytes / 1e6:.1f} MB"
    )


def _target(target: str) -> Path:
    if is_model_name(target):
        folder = models_folder()
        with reporting(folder):
            folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{target}.safetensors"
    path = Path(target).expanduser()
    if path.suffix != ".safetensors":
        raise ModelError(f"{target}: give a name, or a path that ends in .safetensors")
    return path
