"""Style vectors that a user gives: arrays and .npy files, checked before anything else."""

from pathlib import Path
from tokenize import TokenError

import numpy as np

from soundstage.errors import InputError
from soundstage.graph.control import ControlError

_CURE = "write one with numpy.save(path, session.embed(prompt))"


def read_vector(path: str | Path, style_dim: int) -> np.ndarray:
    """Reads a style vector from a file of `numpy.save`.

    Args:
        path: the file. Pickled objects are never loaded.
        style_dim: the size of a style vector.

    Returns:
        float32 [style_dim].

    Raises:
        InputError: the file is missing, is not a .npy file, or holds anything but `style_dim`
            floats that are all finite.
    """
    try:
        # Mapped, so that a header that claims a huge array costs no memory.
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, EOFError, TokenError) as error:
        what = f"{path}: is not a .npy file of {style_dim} floats, or is damaged; {_CURE}"
        raise InputError(what) from error
    if not isinstance(array, np.ndarray):
        array.close()
        raise InputError(f"{path}: holds several arrays (.npz), expected one; {_CURE}")
    try:
        return check_vector(str(path), array, style_dim)
    except ControlError as error:
        raise InputError(str(error)) from error


def check_vector(where: str, vector: np.ndarray, style_dim: int) -> np.ndarray:
    """Returns a style vector as float32 [style_dim].

    Args:
        where: the vector's source, quoted in errors.
        vector: an array.
        style_dim: the size of a style vector.

    Raises:
        ControlError: the array is not of floats or of another shape, or a number is not finite in
            float32.
    """
    if vector.dtype.kind != "f":
        raise ControlError(
            f"{where}: a style vector holds floats, got {vector.dtype}; convert it with "
            ".astype('float32')"
        )
    if vector.shape != (style_dim,):
        shape = list(vector.shape)
        raise ControlError(
            f"{where}: a style vector has the shape [{style_dim}], got {shape}; `session.embed` "
            "returns one, and audio is given as Audio(...)"
        )
    with np.errstate(over="ignore"):
        numbers = np.array(vector, np.float32)
    if not np.isfinite(numbers).all():
        raise ControlError(f"{where}: a style vector holds finite numbers, got NaN or infinity")
    return numbers
