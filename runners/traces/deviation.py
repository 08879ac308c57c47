"""The deviation of two runs on one port: counts, errors and levels. NumPy only."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

AUDIO = "audio"


@dataclass(frozen=True)
class PortComparison:
    """The comparison of two runs on one port, over all ticks and rows.

    Attributes:
        stage: the stage of the port; "in" for the controls.
        port: the port's name.
        kind: the port's kind.
        dtype: NumPy name, or "utf8".
        values: the number of compared values.
        unequal: the number of values with different bytes (-0.0 differs from 0.0).
        differing: the number of values that differ by more than the tolerance; whole numbers and
            text have no tolerance.
        max_error: the largest absolute difference; infinite if only one of two values is finite,
            or if one run has values that the other lacks. 0.0 for text.
        snr_db: for audio, the left run's energy over the energy of the difference, in dB; infinite
            without a difference. None for other kinds.
        agreement_percent: the share of equal values, for whole numbers and text. None for others.
    """

    stage: str
    port: str
    kind: str
    dtype: str
    values: int
    unequal: int
    differing: int
    max_error: float
    snr_db: float | None
    agreement_percent: float | None

    def within(self, tolerance: float) -> bool:
        """Whether no value differs by more than `tolerance`; 0 for whole numbers and text."""
        return self.unequal == 0 or (
            tolerance > 0 and "float" in self.dtype and self.max_error <= tolerance
        )


class PortDeviation:
    """Accumulates the differences of two runs on one port, row by row."""

    def __init__(self, kind: str, dtype: str, tolerance: float) -> None:
        self.kind = kind
        self.dtype = dtype
        self._tolerance = tolerance
        self._values = 0
        self._unequal = 0
        self._differing = 0
        self._max_error = 0.0
        self._signal = 0.0
        self._noise = 0.0

    def add(self, left: np.ndarray, right: np.ndarray) -> tuple[int, ...] | None:
        """Adds one row of both runs; rows of a ragged port may differ in length.

        Returns:
            The index of the first value that differs by more than the tolerance, or None.
        """
        self._values += max(left.size, right.size)
        common = min(len(left), len(right)) if left.ndim else 0
        surplus = abs(left.size - right.size)
        longer = left.shape if left.size > right.size else right.shape
        if surplus:
            left, right = left[:common], right[:common]
        first = self._add_equal_shapes(left, right)
        if not surplus:
            return first
        self._unequal += surplus
        self._differing += surplus
        self._max_error = math.inf if self.dtype != "utf8" else 0.0
        return first if first is not None else (common, *(0 for _ in longer[1:]))

    def result(self, stage: str, port: str) -> PortComparison:
        """Returns the comparison of all added rows."""
        exact = "float" not in self.dtype
        share = 1 - self._unequal / self._values if self._values else 1.0
        return PortComparison(
            stage,
            port,
            self.kind,
            self.dtype,
            self._values,
            self._unequal,
            self._differing,
            self._max_error,
            self._snr_db() if self.kind == AUDIO and not exact else None,
            100 * share if exact else None,
        )

    def _snr_db(self) -> float:
        if self._noise == 0:
            return math.inf
        if not (math.isfinite(self._noise) and math.isfinite(self._signal)):
            return math.nan
        return 10 * math.log10(self._signal / self._noise) if self._signal > 0 else -math.inf

    def _add_equal_shapes(self, left: np.ndarray, right: np.ndarray) -> tuple[int, ...] | None:
        unequal = _unequal(left.reshape(-1), right.reshape(-1))
        if self.kind == AUDIO and "float" in self.dtype:
            self._signal += float(np.sum(np.square(left, dtype=np.float64)))
        count = int(np.count_nonzero(unequal))
        if not count:
            return None
        self._unequal += count
        differing = unequal
        if self.dtype != "utf8":
            errors = _errors(left.reshape(-1)[unequal], right.reshape(-1)[unequal])
            self._max_error = max(self._max_error, float(errors.max()))
            self._noise += float(np.sum(np.square(errors)))
            if self._tolerance > 0 and "float" in self.dtype:
                differing = np.zeros_like(unequal)
                differing[unequal] = errors > self._tolerance
        self._differing += int(np.count_nonzero(differing))
        if not differing.any():
            return None
        return tuple(int(part) for part in np.unravel_index(differing.argmax(), left.shape))


def _unequal(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Returns, for each value, whether the bytes differ: bool [value]."""
    if left.dtype == object:
        return np.array([a != b for a, b in zip(left, right, strict=True)], bool)
    bits = np.dtype(f"u{left.dtype.itemsize}")
    return np.ascontiguousarray(left).view(bits) != np.ascontiguousarray(right).view(bits)


def _errors(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Returns the absolute difference of each value: float64 [value], never NaN."""
    if left.dtype.kind in "iu":
        # Modulo 2^64, the difference of any two int64 is exact.
        high, low = np.maximum(left, right), np.minimum(left, right)
        return (high.astype(np.uint64) - low.astype(np.uint64)).astype(np.float64)
    with np.errstate(invalid="ignore"):
        errors = np.abs(left.astype(np.float64) - right.astype(np.float64))
    errors[np.isnan(errors)] = np.inf
    errors[np.isnan(left) & np.isnan(right)] = 0.0
    return errors
