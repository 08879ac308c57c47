"""Reads arrays from safetensors files, memory-mapped, and writes such files atomically."""

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import safetensors
from safetensors.numpy import save_file

from soundstage.interrupts import temporary
from soundstage.stages.weights.array_source import WeightsError, as_float32, bare_name, check_shape

# Parts of SpectroStream, each published as a file. Names in it may or may not start with the part.
PARTS = ("encoder", "decoder", "quantizer")
# A file is mapped anew after so many bytes: pages that were read count as memory in use until the
# mapping ends.
MAPPED_BYTES = 64 << 20


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
        self._mappings = {path: _Mapping(path) for path in paths}
        for path, mapping in self._mappings.items():
            for stored, shape in mapping.shapes().items():
                self._add(path, stored, shape)

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
        array = self._read(path, stored)
        for other, other_stored in others:
            if not np.array_equal(array, self._read(other, other_stored)):
                raise WeightsError(f"{name} differs between {path} and {other}; keep one of them")
        return array

    def _read(self, path: Path, stored: str) -> np.ndarray:
        return as_float32(str(path), stored, self._mappings[path].array(stored))

    def read_bytes(self, name: str) -> bytes:
        """Reads an array of uint8, [byte], as bytes.

        Raises:
            WeightsError: there is no such array, or it has another type or several axes.
        """
        if name not in self._locations:
            raise WeightsError(f"{self.note}: no array called {name}")
        path, stored = self._locations[name][0]
        array = self._mappings[path].array(stored)
        if array.dtype != np.uint8 or array.ndim != 1:
            raise WeightsError(
                f"{path}: {stored} is {array.dtype} of shape {array.shape}, not bytes (uint8)"
            )
        return array.tobytes()

    def close(self) -> None:
        """Closes the files."""
        for mapping in self._mappings.values():
            mapping.close()


class _Mapping:
    """A file that is mapped into memory while its arrays are read.

    Reading raises WeightsError if it is missing, truncated or not a safetensors file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: safetensors.safe_open | None = None
        self._ending = ExitStack()
        self._read_bytes = 0

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Returns the shapes of all arrays by stored name."""
        with self._errors():
            file = self._opened()
            names = file.keys()
            return {name: tuple(file.get_slice(name).get_shape()) for name in names}

    def array(self, stored: str) -> np.ndarray:
        """Returns a copy of an array."""
        with self._errors():
            try:
                array: np.ndarray = self._opened().get_tensor(stored)
            except TypeError as error:
                raise WeightsError(f"{self._path}: {stored} cannot be read ({error})") from error
        self._read_bytes += array.nbytes
        if self._read_bytes > MAPPED_BYTES:
            self.close()
        return array

    def close(self) -> None:
        """Ends the mapping; to read another array maps the file again."""
        self._ending.close()
        self._file, self._read_bytes = None, 0

    def _opened(self) -> safetensors.safe_open:
        if self._file is None:
            file = safetensors.safe_open(self._path, framework="numpy")
            self._file = self._ending.enter_context(file)
        return self._file

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (OSError, safetensors.SafetensorError) as error:
            raise WeightsError(
                f"{self._path}: not a complete safetensors file ({error}); fetch or convert it "
                "again"
            ) from error


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
