"""Ports: typed, named inputs and outputs of stages."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import ml_dtypes
import numpy as np

# A port's value for all rows of a message: an array with a leading row axis, or, for ragged and
# text ports, a list with one entry a row.
Tensor: TypeAlias = np.ndarray | list[np.ndarray] | list[str] | list[list[str]]

DTYPES = ("int32", "int64", "uint8", "float32", "float16", "bfloat16", "utf8")


@dataclass(frozen=True)
class Port:
    """The type of one input or output of a stage, for one stream.

    A value for R streams is an array `[row, *shape]`. A ragged port (its first dimension is
    spelled "~name" and differs from row to row) carries a list of R arrays; a utf8 port carries
    a list of R strings, or a list of R lists of strings when ragged.

    Attributes:
        dtype: one of `DTYPES`; bfloat16 is that of `ml_dtypes` and JAX. bool is left out: Arrow
            does not read tensors of bool back.
        shape: dimension names; sizes come from `Format.dims`. Only the first may be "~ragged".
        kind: what the numbers mean. Ports connect only if kind, dtype and shape are equal.
        unit: unit or range, for people.
        minimum: the least value a control on this port may have; None = no bound.
        maximum: the greatest value a control on this port may have; None = no bound.
        usual: the least and the greatest value that a slider of such a control shows; None =
            minimum to maximum. Values beyond it are allowed up to those.
        label: a short name of such a control for people; "" = the control's own name.
        help: one line about what such a control does, for people.
        optional: whether `check` accepts an output of this type that nothing reads.

    Raises:
        ValueError: the dtype or the shape is not possible, or `usual` exceeds the bounds.
    """

    dtype: str
    shape: tuple[str, ...]
    kind: str
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    usual: tuple[float, float] | None = field(default=None, compare=False)
    label: str = field(default="", compare=False)
    help: str = field(default="", compare=False)
    optional: bool = field(default=False, compare=False)

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise ValueError(f"a port's dtype is one of {', '.join(DTYPES)}, got {self.dtype!r}")
        if any(name.startswith("~") for name in self.shape[1:]):
            raise ValueError(f"only a port's first dimension may be ragged, got {self.shape}")
        if self.dtype == "utf8" and len(self.shape) - self.ragged:
            raise ValueError(f"a text port is a scalar or a ragged list, got shape {self.shape}")
        if self.usual is not None and not self._bounds_hold(*self.usual):
            raise ValueError(f"usual lies within the port's range, got {self.usual}")

    @property
    def ragged(self) -> bool:
        """Whether the first dimension differs from row to row."""
        return bool(self.shape) and self.shape[0].startswith("~")

    @property
    def fixed_shape(self) -> tuple[str, ...]:
        """The dimensions whose sizes the format fixes: all but a ragged first one."""
        return self.shape[1:] if self.ragged else self.shape

    def fits(self, other: "Port") -> bool:
        """Whether a value of `other` may flow into this port: kind, dtype and shape are equal."""
        return (self.kind, self.dtype, self.shape) == (other.kind, other.dtype, other.shape)

    def holds(self, number: int | float) -> bool:
        """Whether this port's dtype can carry `number`; False for text."""
        if self.dtype == "utf8":
            return False
        least, greatest = self.limits
        return least <= number <= greatest and (not self.whole or number == round(number))

    @property
    def limits(self) -> tuple[int, int] | tuple[float, float]:
        """The least and the greatest number that the dtype can carry; undefined for text."""
        if "float" in self.dtype:
            greatest = float(ml_dtypes.finfo(self.dtype).max)
            return -greatest, greatest
        bounds = np.iinfo(self.dtype)
        return bounds.min, bounds.max

    @property
    def bounds(self) -> tuple[float, float]:
        """The least and the greatest value a control on this port may have; not for text."""
        least, greatest = self.limits
        low = least if self.minimum is None else self.minimum
        return low, greatest if self.maximum is None else self.maximum

    @property
    def whole(self) -> bool:
        """Whether the port carries whole numbers."""
        return self.dtype.startswith(("int", "uint"))

    def _bounds_hold(self, least: float, greatest: float) -> bool:
        low, high = self.bounds
        return low <= least < greatest <= high

    def spelled_shape(self, dims: Mapping[str, int]) -> str:
        """The shape for people: "[frame=50 level=16]"; a ragged dimension has no size.

        Args:
            dims: the number of entries of every dimension, such as `Format.dims`.
        """
        sizes = (f"{name}={dims[name]}" if name in dims else name for name in self.shape)
        return f"[{' '.join(sizes)}]"


def array_bytes(value: object) -> int:
    """Returns the bytes of the arrays and texts in a value: an array, a text, a list or a mapping.

    Arrays may be of NumPy or JAX. Texts count a byte a character.
    """
    size = getattr(value, "nbytes", None)
    if isinstance(size, int):
        return size
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Mapping):
        return sum(map(array_bytes, value.values()))
    return sum(map(array_bytes, value)) if isinstance(value, list | tuple) else 0
