"""What k-means on residual codebooks needs, in NumPy: the nearest codes, residuals, sums by code.

Vectors are float32 [vector, width], a codebook float32 [code, width].
"""

import numpy as np


def nearest(vectors: np.ndarray, book: np.ndarray, block: int | None = None) -> np.ndarray:
    """Finds the nearest code of every vector, as `stages.rvq.encode` does up to rounding.

    Args:
        vectors: float32 [vector, width].
        book: float32 [code, width].
        block: vectors compared at a time, which bounds the memory; None = all.

    Returns:
        int64 [vector].
    """
    half = np.square(book).sum(axis=1) / 2
    step = block or max(len(vectors), 1)
    blocks = [vectors[first : first + step] for first in range(0, len(vectors), step)]
    return np.concatenate([np.argmax(part @ book.T - half, axis=1) for part in blocks])


def encode(
    vectors: np.ndarray, books: np.ndarray, block: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Quantizes vectors level by level.

    Args:
        vectors: float32 [vector, width].
        books: float32 [level, code, width].
        block: as `nearest` takes it.

    Returns:
        The codes, int64 [vector, level], and what the last level left over, float32
        [vector, width].
    """
    residual, codes = vectors.astype(np.float32), []
    for book in books:
        codes.append(nearest(residual, book, block))
        residual -= book[codes[-1]]
    return np.stack(codes, axis=1), residual


def sums_by_code(
    vectors: np.ndarray, chosen: np.ndarray, codes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Counts and adds the vectors that chose each code.

    Args:
        vectors: float32 [vector, width].
        chosen: int [vector], in [0, codes).
        codes: how many codes there are.

    Returns:
        The counts, int64 [code], and the sums of the codes that were chosen at all, float32
        [chosen code, width].
    """
    counts = np.bincount(chosen, minlength=codes)
    order = np.argsort(chosen, kind="stable")
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    return counts, np.add.reduceat(vectors[order], starts[counts > 0], axis=0)
