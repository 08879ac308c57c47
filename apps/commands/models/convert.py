"""`soundstage models convert`: writes a model as one file that loads by memory mapping."""

from __future__ import annotations

from pathlib import Path

from soundstage.apps.commands.same_files import refuse_inputs_as_outputs
from soundstage.errors import ModelError
from soundstage.files import growing, reporting
from soundstage.progress import Progress
from soundstage.stages.weights.conversion import DType, plan_conversion
from soundstage.stages.weights.models_folder import is_model_name, models_folder
from soundstage.stages.weights.sources import closing_source, source_files


def convert(source: str, target: str, dtype: DType, progress: Progress) -> str:
    """Writes weights as one safetensors file, array by array.

    Args:
        source: the weights, as a pipeline's `weights` names them.
        target: a path that ends in .safetensors, or a bare name in the models folder.
        dtype: the type that the network will compute in.
        progress: shows how many bytes have been written.

    Returns:
        The file, its arrays and its size in a line, for people.

    Raises:
        WeightsError: the source cannot be read, or cannot be converted to `dtype`.
        UsageError: the target is one of the source's files.
        ModelError: the target is neither a bare name nor a path that ends in .safetensors.
        OutputError: the file cannot be written.
    """
    path = _target(target)
    refuse_inputs_as_outputs(
        [("TARGET", path)], [("SOURCE", file) for file in source_files(source)]
    )
    with closing_source(source) as weights:
        plan = plan_conversion(weights, dtype)
        moving = progress.moving(path.name, plan.data_bytes)
        with moving as moved, growing(path, plan.file_bytes) as stream:
            plan.write(weights, stream, moved)
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
