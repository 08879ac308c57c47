"""Sources of weights, opened by what a user writes."""

from contextlib import AbstractContextManager, closing
from importlib.resources import files
from pathlib import Path

from soundstage.stages.weights.array_source import ArraySource, WeightsError
from soundstage.stages.weights.models_folder import is_model_name, model_paths
from soundstage.stages.weights.random_weights import RandomSource
from soundstage.stages.weights.safetensors_files import SafetensorsSource


def open_source(text: str) -> ArraySource:
    """Opens weights by what a user writes.

    Args:
        text: `random:SEED`; `package:NAME` for weights that ship with soundstage; a path to a
            `.safetensors` file, to a folder of such files, to a T5X checkpoint folder or to a T5X
            `.tar`; or the bare name of a model in `models_folder()`, found there as
            NAME.safetensors, NAME.tar or NAME/.

    Raises:
        WeightsError: nothing is found, or what is found is none of these.
    """
    if text.startswith("random:"):
        return _open_random(text)
    if text.startswith("package:"):
        return open_shipped(text.removeprefix("package:"), shipped_folder())
    if is_model_name(text):
        return _open_model(text)
    return _open_path(Path(text).expanduser())


def closing_source(text: str) -> AbstractContextManager[ArraySource]:
    """Opens weights as `open_source` does, for a `with` statement."""
    return closing(open_source(text))


def source_files(text: str) -> list[Path]:
    """Returns the files that `open_source` reads; of a T5X checkpoint in a folder, the folder."""
    if text.startswith(("random:", "package:")):
        return []
    paths = model_paths(text) if is_model_name(text) else [Path(text).expanduser()]
    path = next((path for path in paths if path.exists()), None)
    if path is None:
        return []
    return sorted(path.glob("*.safetensors")) or [path] if path.is_dir() else [path]


# Digits of a seed: a whole number of 64 bits has no more.
LONGEST_SEED = 20


def _open_random(text: str) -> RandomSource:
    seed = text.removeprefix("random:")
    if not (seed.isascii() and seed.isdigit() and len(seed) <= LONGEST_SEED):
        raise WeightsError(f"{text}: write random:SEED with a whole number, such as random:0")
    return RandomSource(int(seed))


def shipped_folder() -> Path:
    """Returns the folder of the weights that ship with soundstage."""
    return Path(str(files("soundstage.stages.demo_weights")))


def open_shipped(name: str, folder: Path) -> SafetensorsSource:
    """Opens the weights NAME.safetensors of `folder`, the folder of shipped weights.

    Raises:
        WeightsError: the folder has none of that name; lists those that it has.
    """
    shipped = sorted(path.stem for path in folder.glob("*.safetensors"))
    if name not in shipped:
        names = ", ".join(f"package:{stem}" for stem in shipped) or "none in this copy"
        raise WeightsError(f"package:{name}: soundstage ships no such weights; it has {names}")
    return SafetensorsSource([folder / f"{name}.safetensors"])


def _open_model(name: str) -> ArraySource:
    candidates = model_paths(name)
    for path in candidates:
        if path.exists():
            return _open_path(path)
    paths = ", ".join(str(path) for path in candidates)
    raise WeightsError(
        f"no weights called {name}: looked for {paths}; fetch a published model with `soundstage "
        f"models download NAME`, put a file there, give a path (./{name} for a local one), or "
        "use random:0 for random weights (noise, not music: for tests)"
    )


def _open_path(path: Path) -> ArraySource:
    if not path.exists():
        raise WeightsError(
            f"{path}: no such file or folder; give a .safetensors file, a folder of them, or a "
            "T5X checkpoint, or use random:0 for random weights (noise, not music: for tests)"
        )
    if path.is_file() and path.suffix == ".safetensors":
        return SafetensorsSource([path])
    if path.is_dir() and (parts := sorted(path.glob("*.safetensors"))):
        return SafetensorsSource(parts)
    from soundstage.stages.weights.t5x import T5xSource, is_t5x  # late: TensorStore takes 40 ms

    if is_t5x(path):
        return T5xSource(path)
    raise WeightsError(
        f"{path}: neither a .safetensors file, nor a folder of them, nor a T5X checkpoint "
        "(a folder or .tar with a file called checkpoint or with target.* folders)"
    )
