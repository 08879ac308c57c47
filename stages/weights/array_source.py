"""What every kind of weights file has in common: arrays by name, read one at a time."""

import hashlib
from collections.abc import Mapping
from typing import Protocol

import numpy as np

from soundstage.errors import Error

# Containers that published files put in front of the names of the specs.
CONTAINERS = ("params", "soundstream", "target")


class WeightsError(Error, ValueError):
    """Weights that cannot be used; the message says what, where and what to do."""

    exit_code = 5


class ArraySource(Protocol):
    """Learned arrays by published name, read one at a time, so that two copies never exist.

    Attributes:
        note: where the arrays come from, for people.
    """

    note: str

    def names(self) -> Mapping[str, tuple[int, ...]] | None:
        """The shape of every array by bare name; None = any array asked for can be made."""
        ...

    def read(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        """Reads one array.

        Args:
            name: bare name, as in the specs: slashes between parts, no container in front.
            shape: the shape that the reader expects.

        Returns:
            float32 array of `shape`, C order; bfloat16 and float16 on disk are widened.

        Raises:
            WeightsError: the array is missing, has another shape or type, or cannot be read.
        """
        ...

    def close(self) -> None:
        """Lets go of files; reading afterwards is an error."""
        ...


def bare_name(name: str) -> str:
    """The name of an array without the containers in front of it.

    Source: the SpectroStream spec, section 9, and the Depthformer spec, "T5X checkpoint".
    """
    parts = name.split("/")
    while len(parts) > 1 and parts[0] in CONTAINERS:
        parts = parts[1:]
    return "/".join(parts)


def check_shape(where: str, name: str, found: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    """Refuses an array of another shape.

    Raises:
        WeightsError: naming the file, the array and both shapes.
    """
    if tuple(found) != tuple(wanted):
        raise WeightsError(
            f"{where}: {name} has shape {tuple(found)}, but this size of the network needs "
            f"{tuple(wanted)}; use the weights that belong to the size chosen"
        )


def check_finite(where: str, name: str, array: np.ndarray) -> None:
    """Refuses an array with NaN or infinity in it.

    Raises:
        WeightsError: naming the file and the array.
    """
    # The least and the greatest value show NaN and infinity without a copy of the array.
    if array.size and not (np.isfinite(array.min()) and np.isfinite(array.max())):
        raise WeightsError(f"{where}: {name} holds NaN or infinity; fetch or convert it again")


def as_float32(where: str, name: str, array: np.ndarray) -> np.ndarray:
    """Widens to float32; exact for every type that published weights use.

    Raises:
        WeightsError: the array holds no real numbers of at most 32 bits.
    """
    if array.dtype.name not in ("float32", "bfloat16", "float16"):
        raise WeightsError(
            f"{where}: {name} holds {array.dtype.name}; weights are float32, bfloat16 or float16"
        )
    return np.ascontiguousarray(array, dtype=np.float32).reshape(array.shape)


def arrays_digest(arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256, as hex digits, over the sorted names and the bytes of float32 arrays."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(name.encode())
        digest.update(arrays[name].reshape(-1).data)
    return digest.hexdigest()
