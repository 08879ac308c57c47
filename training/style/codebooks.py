"""Learns the style quantizer: level by level, k-means on what the levels before left over."""

from collections.abc import Sequence

import numpy as np

ROUNDS = 20
# Codes that a level uses. The first are few, so that a text and the clips it describes, or two
# clips of one piece, meet in the same code, and a small model sees every code often; the later
# ones refine.
LEVEL_CODES = (32, 64, 128, 256, 512)
# Where codes go that a level does not use: no residual of a unit vector comes near.
OUT_OF_REACH = 8.0


def learn_codebooks(
    vectors: np.ndarray,
    levels: int,
    codes: int,
    random: np.random.Generator,
    level_codes: Sequence[int] = LEVEL_CODES,
) -> np.ndarray:
    """Learns residual codebooks.

    Args:
        vectors: float32 [vector, rank], length 1 at most.
        levels: codebooks wanted.
        codes: rows of each; the first levels use fewer, see `level_codes`.
        random: for the first centres.
        level_codes: codes used by the first levels; later ones use all.

    Returns:
        float32 [level, code, rank].
    """
    residual = vectors.astype(np.float32)
    books = np.zeros((levels, codes, vectors.shape[1]), np.float32)
    for level in range(levels):
        wanted = level_codes[level] if level < len(level_codes) else codes
        centres = _means(residual, min(wanted, codes, len(np.unique(residual, axis=0))), random)
        books[level] = OUT_OF_REACH
        books[level, : len(centres)] = centres
        residual = residual - centres[nearest(residual, centres)]
    return books


def nearest(vectors: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """The nearest centre of every vector, int64 [vector]."""
    return np.argmin(np.square(centres).sum(axis=1) - 2 * vectors @ centres.T, axis=1)


def tokens(vectors: np.ndarray, books: np.ndarray) -> np.ndarray:
    """The codes of vectors, int64 [vector, level]; the rule of `stages.rvq.encode`."""
    residual, found = vectors.astype(np.float32), []
    for centres in books:
        found.append(nearest(residual, centres))
        residual = residual - centres[found[-1]]
    return np.stack(found, axis=1)


def _means(vectors: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    centres = vectors[random.choice(len(vectors), count, replace=False)]
    for _ in range(ROUNDS):
        chosen = nearest(vectors, centres)
        members = np.bincount(chosen, minlength=count)  # [code]
        order = np.argsort(chosen, kind="stable")
        starts = np.concatenate([[0], np.cumsum(members)[:-1]])
        kept = members > 0
        sums = np.add.reduceat(vectors[order], starts[kept], axis=0)
        centres = centres.copy()
        centres[kept] = sums / members[kept, None]
        # A centre that nobody is nearest to starts again at the vectors worst served.
        lost = np.square(vectors - centres[chosen]).sum(axis=1)
        centres[~kept] = vectors[np.argsort(-lost, kind="stable")[: int((~kept).sum())]]
    return centres
