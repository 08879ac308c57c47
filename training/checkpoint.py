"""Checkpoints: the whole state of a run in safetensors files, complete or absent.

A checkpoint is a folder `step_00001200` of files `part_00000.safetensors`, ...; the header of the
first file holds the `Position`. The folder is written under another name and renamed when every
byte is on disk, so a process killed at any moment leaves the previous checkpoint untouched.
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import safetensors
from safetensors.numpy import save_file

from soundstage.documents import read_json
from soundstage.errors import Error

S = TypeVar("S")

# Where a run's checkpoints are, in the run's folder.
CHECKPOINTS_FOLDER = "checkpoints"
# A file stays below the 16 MB that hosts of code accept without complaint, header included.
PIECE_BYTES = 15_000_000
KEPT = 2
_FINAL, _UNFINISHED, _HEADER = "step_", ".step_", "position"


class CheckpointError(Error):
    """A checkpoint cannot be used; the message says which and why."""


@dataclass(frozen=True)
class Position:
    """Where a run stands.

    Attributes:
        step: steps done, which is the number of the next step.
        seed: what the batches are drawn from, together with the step.
        metrics_bytes: length of the metrics file after the steps done.
        seconds: time spent training, over all processes.
    """

    step: int
    seed: int
    metrics_bytes: int = 0
    seconds: float = 0.0


def save(folder: Path, state: Any, position: Position) -> Path:
    """Writes a checkpoint and removes all but the last `KEPT`.

    Args:
        folder: holds the checkpoints; made if absent.
        state: a tree of arrays (numbers of any type and shape).
        position: where the run stands.

    Returns:
        The new checkpoint's folder.

    Raises:
        OSError: the folder cannot be written.
        TypeError: a leaf of the tree is no array of numbers, or two have the same name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for abandoned in folder.glob(f"{_UNFINISHED}*"):
        shutil.rmtree(abandoned)
    name = f"{position.step:08d}"
    unfinished, final = folder / f"{_UNFINISHED}{name}", folder / f"{_FINAL}{name}"
    unfinished.mkdir()
    files = list(_files(state))
    split_shapes = {
        name: np.shape(leaf) for name, leaf in _named(state)[0].items() if leaf.nbytes > PIECE_BYTES
    }
    header = {_HEADER: json.dumps(asdict(position) | {"files": len(files), "shapes": split_shapes})}
    for number, arrays in enumerate(files):
        path = unfinished / f"part_{number:05d}.safetensors"
        save_file(arrays, path, header if number == 0 else None)
        _flush(path)
    _flush(unfinished)
    if final.exists():  # a resumed run came to this step again: the same bytes, by construction
        shutil.rmtree(unfinished)
    else:
        unfinished.rename(final)
        _flush(folder)
    for old in checkpoints(folder)[:-KEPT]:
        shutil.rmtree(old)
    return final


def checkpoints(folder: Path) -> list[Path]:
    """Lists the complete checkpoints in a folder, oldest first."""
    return sorted(folder.glob(f"{_FINAL}*"))


def restore_latest(folder: Path, like: S) -> tuple[S, Position] | None:
    """Reads the newest checkpoint.

    Args:
        folder: holds the checkpoints.
        like: a state of the same structure, shapes and types; its values do not matter.

    Returns:
        The state and where the run stands; None = there is no checkpoint.

    Raises:
        CheckpointError: the files are damaged, or belong to a state of another structure.
    """
    paths = checkpoints(folder)
    return _restore(paths[-1], like) if paths else None


def restore_run(run: Path, like: S) -> tuple[S, Position]:
    """Reads the newest checkpoint of a run; see `restore_latest`.

    Raises:
        CheckpointError: there is none, or it cannot be used.
    """
    restored = restore_latest(run / CHECKPOINTS_FOLDER, like)
    if restored is None:
        raise CheckpointError(f"{run}: holds no checkpoint; train there first")
    return restored


def _restore(checkpoint: Path, like: S) -> tuple[S, Position]:
    position, arrays = _read(checkpoint)
    named, structure = _named(like)
    missing, extra = sorted(named.keys() - arrays.keys()), sorted(arrays.keys() - named.keys())
    if missing or extra:
        raise CheckpointError(
            f"{checkpoint} belongs to another state: it lacks {missing[:5]} and also has "
            f"{extra[:5]}; use the settings the run was started with"
        )
    leaves = [_fitted(checkpoint, name, arrays[name], leaf) for name, leaf in named.items()]
    return jax.tree.unflatten(structure, leaves), position


def _named(state: Any) -> tuple[dict[str, Any], Any]:
    """Returns the leaves of a tree by name, in the tree's order, and its structure."""
    paths, structure = jax.tree_util.tree_flatten_with_path(state)
    named: dict[str, Any] = {}
    for path, leaf in paths:
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        if not hasattr(leaf, "dtype") or jnp.issubdtype(leaf.dtype, jax.dtypes.extended):
            raise TypeError(
                f"{name} is a {type(leaf).__name__}: checkpoints hold arrays of numbers"
            )
        if name in named:
            raise TypeError(f"two leaves of the state are called {name}")
        named[name] = leaf
    return named, structure


def _files(state: Any) -> Iterator[dict[str, np.ndarray]]:
    """Packs the arrays into files; a large array is split into flat pieces `name#0`, ..."""
    file: dict[str, np.ndarray] = {}
    filled = 0
    for name, leaf in _named(state)[0].items():
        for key, piece in _pieces(name, np.asarray(jax.device_get(leaf), order="C")):
            if file and filled + piece.nbytes > PIECE_BYTES:
                yield file
                file, filled = {}, 0
            file[key] = piece
            filled += piece.nbytes
    yield file


def _pieces(name: str, array: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    if array.nbytes <= PIECE_BYTES:
        yield name, array
        return
    flat, length = array.reshape(-1), PIECE_BYTES // array.itemsize
    for number, start in enumerate(range(0, flat.size, length)):
        yield f"{name}#{number}", flat[start : start + length]


def _read(checkpoint: Path) -> tuple[Position, dict[str, np.ndarray]]:
    paths = sorted(checkpoint.glob("part_*.safetensors"))
    arrays: dict[str, np.ndarray] = {}
    header: Mapping[str, Any] = {}
    try:
        for path in paths:
            with safetensors.safe_open(path, framework="numpy") as file:
                header = header or read_json(file.metadata()[_HEADER])
                arrays.update((key, file.get_tensor(key)) for key in list(file.keys()))
        files, shapes = header["files"], dict(header["shapes"])
        position = Position(**{key: header[key] for key in Position.__dataclass_fields__})
    except (OSError, safetensors.SafetensorError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{checkpoint} is damaged ({error}); remove this folder") from error
    if files != len(paths):
        raise CheckpointError(f"{checkpoint} has {len(paths)} of {files} files; remove this folder")
    return position, _joined(arrays, shapes)


def _joined(
    arrays: Mapping[str, np.ndarray], shapes: Mapping[str, list[int]]
) -> dict[str, np.ndarray]:
    whole: dict[str, list[np.ndarray]] = {}
    for key in sorted(arrays, key=_piece_number):
        whole.setdefault(key.partition("#")[0], []).append(arrays[key])
    return {
        name: np.concatenate(pieces).reshape(shapes[name]) if name in shapes else pieces[0]
        for name, pieces in whole.items()
    }


def _piece_number(key: str) -> int:
    return int(key.partition("#")[2] or 0)


def _fitted(checkpoint: Path, name: str, array: np.ndarray, like: Any) -> Any:
    if array.shape != np.shape(like) or array.dtype != like.dtype:
        raise CheckpointError(
            f"{checkpoint}: {name} is {array.dtype} {array.shape}, but the state needs "
            f"{like.dtype} {np.shape(like)}; use the settings the run was started with"
        )
    return array if isinstance(like, np.ndarray) else jax.device_put(array)


def _flush(path: Path) -> None:
    """Waits until a file's or folder's bytes are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
