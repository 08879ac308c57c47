"""Residual codebooks by k-means, level by level; long residuals do not dominate short ones."""

from collections.abc import Callable

import numpy as np

from soundstage.training.residual_codebooks import nearest, sums_by_code

BLOCK = 8192
# A code chosen by fewer vectors than this share of the mean is moved to a random vector.
IDLE = 0.05
# Share of the median squared length that bounds the weight of vectors near zero.
SOFTENING = 0.1


def fit_codebooks(
    vectors: np.ndarray,
    levels: int,
    codes: int,
    *,
    seed: int = 0,
    iterations: int = 15,
    most_vectors: int = 120_000,
    on_level: Callable[[int], None] = lambda level: None,
) -> np.ndarray:
    """Fits each level to the residuals of the level before.

    From the second level on a vector's weight is one over its length: the residuals of a few
    unusual frames are long, and would otherwise take most of the codes.

    Args:
        vectors: float32 [vector, width].
        levels: number of codebooks.
        codes: codes in each.
        seed: the seed of the vectors drawn and the first centres.
        iterations: the number of k-means iterations.
        most_vectors: vectors drawn for the k-means of one level.
        on_level: called with the number of each level that is fitted.

    Returns:
        float32 [level, code, width].
    """
    residual = vectors.copy()
    books = []
    for level in range(levels):
        random = np.random.default_rng([seed, level])
        chosen = random.permutation(len(residual))[:most_vectors]
        book = _fit_level(residual[chosen], codes, iterations, random, even=level > 0)
        residual -= book[nearest(residual, book, BLOCK)]
        books.append(book)
        on_level(level)
    return np.stack(books)


def _fit_level(
    vectors: np.ndarray, codes: int, iterations: int, random: np.random.Generator, even: bool
) -> np.ndarray:
    lengths = np.square(vectors).sum(axis=1)
    weights = 1 / np.sqrt(lengths + SOFTENING * np.median(lengths) + 1e-12)
    if not even:
        weights = np.ones_like(weights)
    weighted = vectors * weights[:, None]
    book = vectors[random.choice(len(vectors), codes, replace=len(vectors) < codes)]
    for _ in range(iterations):
        chosen = nearest(vectors, book, BLOCK)
        counts, sums = sums_by_code(weighted, chosen, codes)
        total = np.bincount(chosen, weights=weights, minlength=codes)
        used = counts > 0
        book[used] = (sums / total[used, None]).astype(np.float32)
        idle = np.flatnonzero(counts < max(2, IDLE * len(vectors) / codes))
        if len(vectors) > codes:
            book[idle] = vectors[random.choice(len(vectors), len(idle))]
    return book
