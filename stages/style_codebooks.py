"""The style quantizer's codebooks, from a file or random."""

import math
from dataclasses import dataclass

import numpy as np

from stages.array_source import WeightsError
from stages.random_weights import RandomSource
from stages.weights import closing_source

NAMES = ("embedding", "codebooks")
# Random codes longer than this would overshoot in the few dimensions of a toy format.
LONGEST_STEP = 0.5


@dataclass(frozen=True)
class Codebooks:
    """What the style quantizer has learned.

    Attributes:
        codes: float32 [level, code, style_dim].
        name: the array's published name.
        note: where it comes from, for people.
    """

    codes: np.ndarray
    name: str
    note: str


def load_codebooks(weights: str, shape: tuple[int, int, int]) -> Codebooks:
    """Reads or makes the style codebooks.

    Args:
        weights: as `stages.weights.open_source` reads it; a file's array is called "embedding"
            or "codebooks" and must be the only one so called.
        shape: [level, code, style_dim] of the music format.

    Raises:
        WeightsError: there is no such file or array, or it has another shape, no floating type,
            or NaN or infinity in it.
    """
    with closing_source(weights) as source:
        if isinstance(source, RandomSource):
            source = RandomSource(source.seed, initial_codes)
        names = source.names()
        found = NAMES[:1] if names is None else tuple(name for name in NAMES if name in names)
        if len(found) != 1:
            raise WeightsError(
                f"{source.note}: a style quantizer has one array called {' or '.join(NAMES)}, "
                f"this has {', '.join(found or sorted(names or ())) or 'none'}"
            )
        codes = source.read(found[0], shape)
        if not np.isfinite(codes.sum(dtype=np.float64)):
            raise WeightsError(f"{source.note}: {found[0]} holds NaN or infinity")
        return Codebooks(codes, found[0], source.note)


def initial_codes(name: str, shape: tuple[int, ...], z: np.ndarray) -> np.ndarray:
    """Scales random codes so that every level shortens a unit vector a little.

    Args:
        name: unused; there is one array.
        shape: [level, code, style_dim].
        z: standard normal, float32, of `shape`; overwritten.
    """
    levels, codes, width = shape
    # Of that many random directions the nearest to a given one has about this cosine, so codes
    # of that length shorten a unit residual most, each level by the same factor.
    step = min(LONGEST_STEP, math.sqrt(2 * math.log(max(2, codes)) / width))
    lengths = step * math.sqrt(1 - step**2) ** np.arange(levels)  # [level]
    z *= (lengths / math.sqrt(width)).astype(np.float32)[:, None, None]
    return z
