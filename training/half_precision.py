"""Weights in float16, as they are exported."""

from collections.abc import Mapping

import numpy as np

from soundstage.errors import Error


class ExportError(Error):
    """A weight is too large for float16, or not a number."""


def as_float16(
    arrays: Mapping[str, np.ndarray], *, keep_vectors: bool = False
) -> dict[str, np.ndarray]:
    """Rounds arrays to float16.

    Args:
        arrays: float arrays by name.
        keep_vectors: round arrays of fewer than two dimensions to float32 instead.

    Raises:
        ExportError: a value does not fit.
    """
    rounded = {}
    for name, array in arrays.items():
        with np.errstate(over="ignore"):
            rounded[name] = array.astype(
                np.float32 if keep_vectors and array.ndim < 2 else np.float16
            )
        if not np.isfinite(rounded[name]).all():
            raise ExportError(f"{name} holds values that float16 cannot: train on, or clip them")
    return rounded
