"""Residual codebooks by k-means, each in a subspace: few dimensions fit unheard music better."""

from collections.abc import Callable, Sequence

import numpy as np

from soundstage.training.residual_codebooks import nearest, sums_by_code

BLOCK = 8192
# A code chosen by fewer vectors than this share of the mean is moved to a random vector.
IDLE = 0.05
# Principal dimensions that the first levels quantize. Each of the other levels quantizes a part of
# all dimensions of what these leave over.
COARSE = (12, 12, 16, 24)


def fit_codebooks(
    vectors: np.ndarray,
    levels: int,
    codes: int,
    *,
    coarse: Sequence[int] = COARSE,
    seed: int = 0,
    iterations: int = 12,
    most_vectors: int = 120_000,
    on_level: Callable[[int], None] = lambda level: None,
) -> np.ndarray:
    """Fits each level to the residuals of the level before, in a subspace.

    K-means in all dimensions learns the training frames by heart: its codes fit other music much
    worse. So the first levels quantize the principal dimensions of the residuals. The remaining
    levels share out all dimensions such that the product of the variances is about equal, which
    is optimal for normally distributed vectors (Ge, He, Ke and Sun, Optimized product quantization,
    2013).

    Args:
        vectors: float32 [vector, width].
        levels: number of codebooks.
        codes: codes in each.
        coarse: dimensions of the first levels.
        seed: the seed of the vectors drawn and the first centres.
        iterations: the number of k-means iterations.
        most_vectors: vectors drawn for the k-means of one level.
        on_level: called with the number of each level that is fitted.

    Returns:
        float32 [level, code, width].
    """
    residual = vectors.copy()
    books: list[np.ndarray] = []

    def fit_level(axes: np.ndarray) -> None:
        random = np.random.default_rng([seed, len(books)])
        chosen = random.permutation(len(residual))[:most_vectors]
        book = _fit_level(residual[chosen] @ axes, codes, iterations, random) @ axes.T
        np.subtract(residual, book[nearest(residual, book, BLOCK)], out=residual)
        on_level(len(books))
        books.append(book)

    for dimensions in coarse[:levels]:
        fit_level(principal_axes(residual)[0][:, :dimensions])
    for axes in _shares(residual, levels - len(books)):
        fit_level(axes)
    return np.stack(books)


def principal_axes(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Finds the principal axes of vectors around 0.

    Args:
        vectors: float32 [vector, width].

    Returns:
        Orthonormal axes, float32 [width, axis], and their variances, float64 [axis], the largest
        first.
    """
    products = sum(
        (block.T @ block).astype(np.float64)
        for block in np.array_split(vectors, max(len(vectors) // 100_000, 1))
    )
    variances, axes = np.linalg.eigh(products / len(vectors))
    # The sign of an axis is arbitrary: its largest component is made positive.
    largest = np.abs(axes).argmax(axis=0)
    axes = axes * np.sign(axes[largest, np.arange(axes.shape[1])])
    return axes[:, ::-1].astype(np.float32), variances[::-1]


def _shares(vectors: np.ndarray, parts: int) -> list[np.ndarray]:
    """Shares out the principal axes, each to the part with the smallest product of variances."""
    if parts < 1:
        return []
    axes, variances = principal_axes(vectors)
    logs = np.log(np.maximum(variances, 1e-9 * variances[0] + 1e-12))
    logs -= logs[-1]
    room = -(-len(logs) // parts)
    chosen: list[list[int]] = [[] for _ in range(parts)]
    for axis in range(len(logs)):
        part = min((part for part in chosen if len(part) < room), key=lambda part: logs[part].sum())
        part.append(axis)
    return [axes[:, part] for part in chosen]


def _fit_level(
    vectors: np.ndarray, codes: int, iterations: int, random: np.random.Generator
) -> np.ndarray:
    book = vectors[random.choice(len(vectors), codes, replace=len(vectors) < codes)]
    for _ in range(iterations):
        chosen = nearest(vectors, book, BLOCK)
        counts, sums = sums_by_code(vectors, chosen, codes)
        used = counts > 0
        book[used] = sums / counts[used, None].astype(np.float32)
        idle = np.flatnonzero(counts < max(2, IDLE * len(vectors) / codes))
        if len(vectors) > codes:
            book[idle] = vectors[random.choice(len(vectors), len(idle))]
    return book
