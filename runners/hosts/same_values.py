"""Compares the values of two calls, for validation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from soundstage.graph import wire
from soundstage.runners.hosts.device_arrays import as_numpy


def difference(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """Returns how the values of two calls with the same inputs differ; "" = they do not."""
    for name in one.keys() | other.keys():
        if name not in one or name not in other:
            return f"one of two calls with the same inputs gave no {name!r}"
        if not wire.equal(as_numpy(one[name]), as_numpy(other[name])):
            return f"two calls with the same inputs gave different {name!r}"
    return ""


def not_finite(values: Mapping[str, Any]) -> str:
    """Returns which value has numbers that are not finite; "" = none has."""
    for name, value in values.items():
        rows = value if isinstance(value, list) else [as_numpy(value)]
        if not all(np.isfinite(row).all() for row in rows if isinstance(row, np.ndarray)):
            return f"output {name!r} has numbers that are not finite"
    return ""
