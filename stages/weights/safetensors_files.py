"""Reads arrays from safetensors files, memory-mapped, and writes such files atomically."""

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import safetensors
from safetensors.numpy import save_file

from soundstage.interrupts import temporary
from soundstage.stages.weights.array_source import WeightsError, as_float32, bare_name, check_shape

# Parts of SpectroStream, each published as a file. Names in it may or may not start with the part.
PARTS = ("encoder", "decoder", "quantizer")


class SafetensorsSource:
    """One or more safetensors files as one set of arrays.

    If two files hold the same array (a part of its own and a full checkpoint), the values must be
    equal.

    Args:
        paths: the files, at least one.

    Raises:
        WeightsError: a file is missing, truncated or not a safetensors file.
    """

    def __init__(self, paths: list[Path]) -> None:
        self.note = ", ".join(path.name for path in paths)
        self._locations: dict[str, list[tuple[Path, str]]] = {}
        self._shapes: dict[str, tuple[int, ...]] = {}
        for path in paths:
            with _opened(path) as file:
                stored_names = file.keys()
                for stored in stored_names:
                    self._add(path, stored, tuple(file.get_slice(stored).get_shape()))

    def _add(self, path: Path, stored: str, shape: tuple[int, ...]) -> None:
        name = bare_name(stored)
        if path.stem in PARTS and name.split("/")[0] not in PARTS:
            name = f"{path.stem}/{name}"
        known = self._shapes.setdefault(name, shape)
        if known != shape:
            other = self._locations[name][0][0]
            raise WeightsError(
                f"{path}: {name} has shape {shape}, but {known} in {other}; keep one of the files"
            )
        self._locations.setdefault(name, []).append((path, stored))

    def names(self) -> Mapping[str, tuple[int, ...]]:
        """Returns the shape of every array by bare name."""
        return self._shapes

    def read(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        """Reads one array as float32; see `ArraySource.read`."""
        if name not in self._locations:
            raise WeightsError(f"{self.note}: no array called {name}")
        check_shape(self.note, name, self._shapes[name], shape)
        (path, stored), *others = self._locations[name]
        array = _get(path, stored)
        for other, other_stored in others:
            if not np.array_equal(array, _get(other, other_stored)):
                raise WeightsError(f"{name} differs between {path} and {other}; keep one of them")
        return array

    def read_bytes(self, name: str) -> bytes:
        """Reads an array of uint8, [byte], as bytes.

        Raises:
            WeightsError: there is no such array, or it has another type or several axes.
        """
        if name not in self._locations:
            raise WeightsError(f"{self.note}: no array called {name}")
        path, stored = self._locations[name][0]
        with _opened(path) as file:
            array = file.get_tensor(stored)
        if array.dtype != np.uint8 or array.ndim != 1:
            raise WeightsError(
                f"{path}: {stored} is {array.dtype} of shape {array.shape}, not bytes (uint8)"
            )
        return array.tobytes()

    def close(self) -> None:
        """Does nothing: a file is open only while an array is read."""


@contextmanager
def _opened(path: Path) -> Iterator[safetensors.safe_open]:
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            yield file
    except (OSError, safetensors.SafetensorError) as error:
        raise WeightsError(
            f"{path}: not a complete safetensors file ({error}); fetch or convert it again"
        ) from error


def _get(path: Path, stored: str) -> np.ndarray:
    # Mapped again for every array, or pages of arrays already read would count as memory in use.
    with _opened(path) as file:
        try:
            return as_float32(str(path), stored, file.get_tensor(stored))
        except TypeError as error:
            raise WeightsError(f"{path}: {stored} cannot be read ({error})") from error


def write_safetensors(
    arrays: Mapping[str, np.ndarray], path: Path, metadata: Mapping[str, str]
) -> None:
    """Writes arrays to a safetensors file; the file appears whole or not at all.

    Args:
        arrays: arrays of any shape and type by name; weights are float32.
        path: the file; its folder must exist.
        metadata: strings kept in the file's header.

    Raises:
        OSError: the folder cannot be written.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    os.close(handle)
    with temporary(Path(name)):
        whole = {key: np.asarray(value, order="C") for key, value in arrays.items()}
        save_file(whole, name, dict(metadata))
        os.chmod(name, 0o644)  # mkstemp makes files that only their owner can read
        os.replace(name, path)
