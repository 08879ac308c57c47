"""Control values: from what a person or a file says to what a port carries, or a reason why not."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from graph.port import Port
from graph.wire import fixed_shape


class ControlError(ValueError):
    """A control value that its port cannot carry; the message says which, why and what fits."""


def to_row(name: str, value: Any, port: Port, dims: Mapping[str, int]) -> Any:
    """Turns one stream's value of a control into what its port carries for one row.

    Args:
        name: the control, for messages.
        value: a number, text, list or array.
        port: the port it feeds.
        dims: sizes of the port's dimensions.

    Returns:
        A NumPy scalar or array of the port's dtype, or text, or a list of texts.

    Raises:
        ControlError: wrong type or shape, not finite, or outside the port's range.
    """
    if port.dtype == "utf8":
        return _text(name, value, port)
    try:
        array = np.asarray(value)
    except (ValueError, TypeError) as error:
        raise ControlError(f"{name}: expected numbers, got {_short(value)}") from error
    shape = (array.shape[:1] if array.ndim else ()) if port.ragged else ()
    shape += fixed_shape(port, dims)
    if array.size == 0 and port.ragged:
        array = np.zeros((0, *fixed_shape(port, dims)), port.dtype)
        shape = array.shape
    if array.dtype.kind not in "iuf" or array.shape != shape or (port.ragged and not array.ndim):
        wanted = f"a list of {port.dtype}" if port.ragged else port.dtype
        raise ControlError(f"{name}: expected {wanted}, got {_short(value)}")
    _check_range(name, array, port)
    return array.astype(port.dtype)[()]


def _text(name: str, value: Any, port: Port) -> Any:
    if not port.ragged:
        if not isinstance(value, str):
            raise ControlError(f"{name}: expected text, got {_short(value)}")
        return value
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise ControlError(f"{name}: expected a list of texts, got {_short(value)}")
    return list(value)


def _check_range(name: str, array: np.ndarray, port: Port) -> None:
    if not array.size:
        return
    if not np.isfinite(array).all():
        raise ControlError(f"{name}: {_short(array.tolist())} is not a finite number")
    integral = port.dtype.startswith(("int", "uint"))
    if integral and array.dtype.kind == "f" and (array != np.round(array)).any():
        raise ControlError(f"{name}: expected a whole number, got {_short(array.tolist())}")
    bounds = np.iinfo(port.dtype) if integral else np.finfo(port.dtype)
    low = bounds.min if port.minimum is None else port.minimum
    high = bounds.max if port.maximum is None else port.maximum
    if array.min() < low or array.max() > high:
        wanted = port.unit or f"[{low}, {high}]"
        raise ControlError(f"{name}: {_short(array.tolist())} is outside the range {wanted}")


def _short(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {list(value.shape)}"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
