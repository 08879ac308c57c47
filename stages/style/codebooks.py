"""The style quantizer's codebooks: random, or from a file, whole or factored."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from soundstage.stages.weights.array_source import (
    ArraySource,
    WeightsError,
    arrays_digest,
    check_shape,
)
from soundstage.stages.weights.random_weights import RandomSource
from soundstage.stages.weights.sources import closing_source

NAMES = ("embedding", "codebooks")
CODES, BASIS = "codes", "basis"
# Longer random codes overshoot where an embedding has few dimensions, as in a toy format.
LONGEST_STEP = 0.5


@dataclass(frozen=True)
class Codebooks:
    """The codebooks of the style quantizer, loaded.

    Attributes:
        codes: float32 [level, code, style_dim]; read-only if they are random.
        digest: SHA-256, as hex digits, over the names and float32 values of the stored arrays.
        note: the source, in words for a report.
    """

    codes: np.ndarray
    digest: str
    note: str


def load_codebooks(weights: str, shape: tuple[int, int, int]) -> Codebooks:
    """Reads the style codebooks, or draws random ones.

    A file holds them whole, as one array called "embedding" or "codebooks", [level, code,
    style_dim]; or factored, as "codes" [level, code, rank] and "basis" [rank, style_dim], whose
    product they are. Factored ones take rank / style_dim of the space.

    Args:
        weights: a source of arrays, see `stages.weights.sources.open_source`.
        shape: [level, code, style_dim] of the music format.

    Raises:
        WeightsError: the file does not exist; it has none of the arrays, or several; or an array
            has another shape or type, or holds NaN or infinity.
    """
    with closing_source(weights) as source:
        if isinstance(source, RandomSource):
            return _random_codebooks(source.seed, shape)
        names = source.names() or {}
        if {CODES, BASIS} <= set(names) and not set(NAMES) & set(names):
            return _factored(source, names, shape)
        present = tuple(name for name in NAMES if name in names)
        if len(present) != 1:
            raise WeightsError(
                f"{source.note}: style codebooks are one array called {' or '.join(NAMES)}, or "
                f"{CODES} and {BASIS}; this file has "
                f"{', '.join(present or sorted(names)) or 'none'}"
            )
        codes = _read(source, present[0], shape)
        return Codebooks(codes, arrays_digest({present[0]: codes}), source.note)


# To draw them takes most of the time in which a small pipeline is opened, and the pipelines that a
# process opens mostly have the same.
@lru_cache(maxsize=1)
def _random_codebooks(seed: int, shape: tuple[int, int, int]) -> Codebooks:
    source = RandomSource(seed, initial_codes)
    codes = source.read(NAMES[0], shape)
    codes.flags.writeable = False
    return Codebooks(codes, arrays_digest({NAMES[0]: codes}), source.note)


def _factored(
    source: ArraySource, names: Mapping[str, tuple[int, ...]], shape: tuple[int, int, int]
) -> Codebooks:
    rank = names[CODES][-1] if names[CODES] else 0
    check_shape(source.note, CODES, names[CODES], (*shape[:2], rank))
    codes = _read(source, CODES, (*shape[:2], rank))
    basis = _read(source, BASIS, (rank, shape[2]))
    # In float64, so that the result in float32 is the same on every machine.
    product = np.matmul(codes.astype(np.float64), basis.astype(np.float64)).astype(np.float32)
    return Codebooks(product, arrays_digest({CODES: codes, BASIS: basis}), source.note)


def _read(source: ArraySource, name: str, shape: tuple[int, ...]) -> np.ndarray:
    array = source.read(name, shape)
    if not np.isfinite(array.sum(dtype=np.float64)):
        raise WeightsError(f"{source.note}: {name} holds NaN or infinity")
    return array


def initial_codes(name: str, shape: tuple[int, ...], z: np.ndarray) -> np.ndarray:
    """Scales random codes so that every level shortens the residual of a unit vector a little.

    Args:
        name: unused; there is one array.
        shape: [level, code, style_dim].
        z: standard normal, float32, of `shape`; overwritten.

    Returns:
        `z`, scaled.
    """
    levels, codes, width = shape
    # Among so many random directions, the one nearest to a given direction has about this cosine.
    # Codes of this length shorten a unit residual most, every level by the same factor.
    step = min(LONGEST_STEP, math.sqrt(2 * math.log(max(2, codes)) / width))
    lengths = step * math.sqrt(1 - step**2) ** np.arange(levels)  # [level]
    z *= (lengths / math.sqrt(width)).astype(np.float32)[:, None, None]
    return z
