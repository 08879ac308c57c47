"""Arrays between stages in one process: of NumPy, or of JAX where a stage asks for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import jax

# JAX would cut these to 32 bits.
_WIDE = (np.dtype("int64"),)


@dataclass(frozen=True)
class DeviceArrays:
    """What a stage gets in place of its inputs: arrays of NumPy, or of JAX on its device.

    Attributes:
        classes: the classes of the arrays that it may return.
        device: where its arrays of JAX are; None = it gets arrays of NumPy.
    """

    classes: tuple[type[Any], ...]
    device: jax.Device | None

    @classmethod
    def of(cls, stage: Any, device: jax.Device | None) -> DeviceArrays:
        """Reads what a stage class declares as `device_arrays`.

        Args:
            stage: the class.
            device: its device; None if it uses none.
        """
        if device is None or not getattr(stage, "device_arrays", False):
            return cls((np.ndarray,), None)
        import jax  # late: a process whose stages compute with NumPy does not load JAX

        return cls((np.ndarray, jax.Array), device)

    def given(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the inputs as the stage gets them.

        Args:
            inputs: by name, an array of NumPy or JAX, or a list. Lists are copied, as a stage could
                change one.
        """
        return {name: self._given(value) for name, value in inputs.items()}

    def _given(self, value: Any) -> Any:
        if isinstance(value, list):
            return [list(row) if isinstance(row, list) else row for row in value]
        if self.device is None:
            return as_numpy(value)
        if isinstance(value, np.ndarray):
            if value.dtype in _WIDE:
                return value
        elif value.devices() == {self.device}:
            return value
        import jax

        return jax.device_put(value, self.device)


def as_numpy(value: Any) -> Any:
    """Returns an array of JAX as a read-only array of NumPy, and other values as they are."""
    if isinstance(value, np.ndarray | list):
        return value
    array = np.asarray(value)
    if array.flags.writeable:
        array.flags.writeable = False
    return array


def on_host(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns values as arrays of NumPy and lists."""
    return {name: as_numpy(value) for name, value in values.items()}
