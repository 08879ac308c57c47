"""Reads T5X checkpoints, as a folder or a .tar, without T5X and without TensorFlow.

Source: the Depthformer spec, SPEC.md and SPEC-numerics.md, sections "T5X checkpoint".
"""

import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import tensorstore

from soundstage.stages.weights.array_source import WeightsError, as_float32, bare_name, check_shape
from soundstage.stages.weights.t5x_members import INDEX, TARGET, FolderMembers, Members, TarMembers
from soundstage.stages.weights.zarr_array import ARRAY_FILE, ZarrArray

# flax's msgpack extension types of an array and of a NumPy scalar.
ARRAY_EXTENSION, SCALAR_EXTENSION = 1, 3
# Far above any index (34 kB at size A), far below a size that exhausts memory.
MOST_INDEX_BYTES = 1 << 30


class T5xSource:
    """The parameters of a T5X checkpoint; optimizer state is skipped.

    Args:
        path: a folder or a `.tar` with the checkpoint at its top level or in its only folder.

    Raises:
        WeightsError: not a T5X checkpoint, damaged, or an array of its index is missing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.note = path.name
        self._members: Members = FolderMembers(path) if path.is_dir() else TarMembers(path)
        try:
            self._scan()
        except BaseException:
            self._members.close()
            raise

    def _scan(self) -> None:
        paths = self._members.paths()
        self._prefix = _checkpoint_folder(paths)
        if self._prefix is None:
            raise WeightsError(
                f"{self.path}: not a T5X checkpoint (no file called {INDEX}, no {TARGET}* folders)"
            )
        self._chunks: dict[str, set[str]] = {}
        for path in paths:
            folder, _, file = path.removeprefix(self._prefix).partition("/")
            if path.startswith(self._prefix) and folder.startswith(TARGET) and file:
                self._chunks.setdefault(folder, set()).add(file)
        self._folders = {_name_of(folder): folder for folder in self._chunks}
        self._inline: dict[str, np.ndarray] = {}
        if f"{self._prefix}{INDEX}" in paths:
            self._read_index()
        self._arrays = {name: self._metadata(name) for name in self._folders}

    def _read_index(self) -> None:
        where = f"{self.path}: {INDEX}"
        content = self._members.read(f"{self._prefix}{INDEX}")
        try:
            tree = msgpack.unpackb(
                content, ext_hook=_extension, strict_map_key=False, max_bin_len=MOST_INDEX_BYTES
            )
        except (ValueError, TypeError, msgpack.UnpackException) as error:
            raise WeightsError(f"{where} is damaged ({error})") from error
        target = tree.get("optimizer", {}).get("target") if isinstance(tree, dict) else None
        if not isinstance(target, dict):
            raise WeightsError(f"{where} has no optimizer/target tree")
        for name, leaf in _leaves(target, ""):
            if isinstance(leaf, np.ndarray):
                self._inline[name] = leaf
            elif name not in self._folders:
                raise WeightsError(
                    f"{where} names {name}, but there is no folder for it; the checkpoint is "
                    "incomplete: fetch it again"
                )

    def _metadata(self, name: str) -> "ZarrArray":
        folder = self._folders[name]
        where = f"{self.path}: {folder}"
        if ARRAY_FILE not in self._chunks[folder]:
            raise WeightsError(f"{where} has no {ARRAY_FILE}; fetch the checkpoint again")
        return ZarrArray.parse(where, self._members.read(f"{self._prefix}{folder}/{ARRAY_FILE}"))

    def names(self) -> Mapping[str, tuple[int, ...]]:
        """Returns the shape of every parameter by bare name."""
        inline = {name: array.shape for name, array in self._inline.items()}
        return inline | {name: array.shape for name, array in self._arrays.items()}

    def read(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        """Reads one array as float32; see `ArraySource.read`."""
        where = str(self.path)
        if name in self._arrays:
            check_shape(where, name, self._arrays[name].shape, shape)
            return as_float32(where, name, self._read_zarr(name))
        if name in self._inline:
            check_shape(where, name, self._inline[name].shape, shape)
            return as_float32(where, name, self._inline[name])
        raise WeightsError(f"{where}: no array called {name}")

    def _read_zarr(self, name: str) -> np.ndarray:
        folder = self._folders[name]
        where = f"{self.path}: {folder}"
        header = self._arrays[name]
        keys = []
        for key in header.chunk_keys():
            # zarr reads a missing chunk as fill values: wrong weights without an error.
            if key not in self._chunks[folder]:
                raise WeightsError(f"{where} lacks chunk {key}; fetch the checkpoint again")
            keys.append(key)
        try:
            context = tensorstore.Context()
            store = tensorstore.KvStore.open({"driver": "memory"}, context=context).result()
            store[f"a/{ARRAY_FILE}"] = header.plain_header()
            for key in keys:
                content = self._members.read(f"{self._prefix}{folder}/{key}")
                store[f"a/{key}"] = header.unpacked(key, content)
            spec = {"driver": "zarr", "kvstore": {"driver": "memory", "path": "a/"}}
            array = tensorstore.open(spec, context=context, read=True)
            return np.asarray(array.result().read().result())
        except WeightsError:
            raise
        except (OSError, ValueError, RuntimeError, tarfile.TarError) as error:
            raise WeightsError(f"{where} cannot be read ({error})") from error

    def close(self) -> None:
        """Closes the archive."""
        self._members.close()


def is_t5x(path: Path) -> bool:
    """Whether a path looks like a T5X checkpoint: any `.tar`, or a folder that holds one."""
    if path.is_file():
        return path.suffix == ".tar"
    return _checkpoint_folder(FolderMembers(path).paths()) is not None


def _checkpoint_folder(paths: set[str]) -> str | None:
    """Returns the prefix of the checkpoint's files: "" or "FOLDER/"; None = none or several."""
    prefixes = ["", *sorted({f"{path.split('/')[0]}/" for path in paths if "/" in path})]
    matches = [
        prefix
        for prefix in prefixes
        if f"{prefix}{INDEX}" in paths
        or any(path.startswith(f"{prefix}{TARGET}") for path in paths)
    ]
    return matches[0] if len(matches) == 1 else None


def _name_of(folder: str) -> str:
    return bare_name(folder.replace(".", "/"))


def _leaves(tree: dict[Any, Any], prefix: str) -> list[tuple[str, Any]]:
    """Returns the leaves of the index by name: arrays, or specs of the zarr arrays beside it."""
    leaves = []
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and "driver" not in value:
            leaves += _leaves(value, f"{name}/")
        else:
            leaves.append((name, value))
    return leaves


def _extension(code: int, content: bytes) -> np.ndarray | None:
    """Decodes an inline array or scalar of the index from flax's msgpack encoding."""
    if code not in (ARRAY_EXTENSION, SCALAR_EXTENSION):
        return None
    shape, dtype, values = msgpack.unpackb(content)
    # Optimizer state may hold any type; only parameters are read.
    if dtype not in ("float32", "float16", "bfloat16", "float64", "int32", "int64"):
        return None
    return np.frombuffer(values, np.dtype(dtype)).reshape(shape)
