"""The interface of every source of weights, and the checks that all sources share."""

import hashlib
import math
from collections.abc import Mapping
from typing import Protocol

import numpy as np

from soundstage.errors import Error

# Containers that published files put in front of the names in the specs.
CONTAINERS = ("params", "soundstream", "target")
# XLA's programs for CPUs read arrays whose addresses are multiples of this.
ALIGNMENT_BYTES = 64


class WeightsError(Error, ValueError):
    """Weights that cannot be used."""

    exit_code = 5


class ArraySource(Protocol):
    """Learned arrays by published name, read one at a time.

    Attributes:
        note: where the arrays come from, for people.
    """

    note: str

    def names(self) -> Mapping[str, tuple[int, ...]] | None:
        """Returns the shape of every array by bare name; None = the source makes any array."""
        ...

    def read(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        """Reads one array.

        Args:
            name: bare name, as in the specs: parts joined by slashes, without a container.
            shape: the shape that the reader expects.

        Returns:
            float32 array of `shape`, C order; bfloat16 and float16 on disk are widened.

        Raises:
            WeightsError: the array is missing, has another shape or type, or cannot be read.
        """
        ...

    def close(self) -> None:
        """Closes the files; the source cannot be read afterwards."""
        ...


def bare_name(name: str) -> str:
    """Returns the name of an array without the containers in front of it.

    Source: the SpectroStream spec, section 9, and the Depthformer spec, "T5X checkpoint".
    """
    parts = name.split("/")
    while len(parts) > 1 and parts[0] in CONTAINERS:
        parts = parts[1:]
    return "/".join(parts)


def check_shape(where: str, name: str, actual: tuple[int, ...], needed: tuple[int, ...]) -> None:
    """Refuses an array of another shape.

    Raises:
        WeightsError: naming the file, the array and both shapes.
    """
    if tuple(actual) != tuple(needed):
        raise WeightsError(
            f"{where}: {name} has shape {tuple(actual)}, but this size of the network needs "
            f"{tuple(needed)}; use the weights that belong to the size chosen"
        )


def check_finite(where: str, name: str, array: np.ndarray) -> None:
    """Refuses an array that holds NaN or infinity.

    Raises:
        WeightsError: naming the file and the array.
    """
    # The least and the greatest value are NaN or infinite then, and need no copy of the array.
    if array.size and not (np.isfinite(array.min()) and np.isfinite(array.max())):
        raise WeightsError(f"{where}: {name} holds NaN or infinity; fetch or convert it again")


def as_float32(where: str, name: str, array: np.ndarray) -> np.ndarray:
    """Widens an array to float32, exactly.

    Raises:
        WeightsError: the array is not float32, bfloat16 or float16.
    """
    if array.dtype.name not in ("float32", "bfloat16", "float16"):
        raise WeightsError(
            f"{where}: {name} holds {array.dtype.name}; weights are float32, bfloat16 or float16"
        )
    if array.dtype == np.float32:
        return np.ascontiguousarray(array).reshape(array.shape)
    widened = aligned_zeros(array.shape)
    widened[...] = array
    return widened


def aligned_zeros(shape: tuple[int, ...]) -> np.ndarray:
    """Returns a float32 array of zeros that `jax.device_put` shares on CPUs and does not copy.

    So it must not be changed once it was put on a device.
    """
    size = math.prod(shape) * np.float32().itemsize
    memory = np.zeros(size + ALIGNMENT_BYTES, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT_BYTES
    return memory[start : start + size].view(np.float32).reshape(shape)


def arrays_digest(arrays: Mapping[str, np.ndarray]) -> str:
    """Returns the SHA-256 over the sorted names and the bytes of float32 arrays, in hex digits."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(name.encode())
        digest.update(arrays[name].reshape(-1).data)
    return digest.hexdigest()
