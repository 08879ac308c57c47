"""Residual codebooks by k-means, level after level, every frame counted about as much."""

from collections.abc import Callable

import numpy as np

BLOCK = 8192
# Codes that fewer vectors than this share of their due choose are moved elsewhere.
IDLE = 0.05
# Part of the median that keeps vectors near zero from counting for everything.
SOFTENING = 0.1


def nearest(vectors: np.ndarray, book: np.ndarray) -> np.ndarray:
    """The nearest code of every vector, as `stages.rvq.encode` finds it up to rounding.

    Args:
        vectors: float32 [vector, width].
        book: float32 [code, width].

    Returns:
        int64 [vector].
    """
    half = np.square(book).sum(axis=1) / 2
    blocks = [vectors[first : first + BLOCK] for first in range(0, len(vectors), BLOCK)]
    return np.concatenate([np.argmax(block @ book.T - half, axis=1) for block in blocks])


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
    """Fits each level to what the levels before it left over.

    From the second level on a vector counts by one over its length: what is left over of a few
    odd frames is long, and would else take most of the codes.

    Args:
        vectors: float32 [vector, width].
        levels: how many codebooks.
        codes: codes in each.
        seed: which vectors are looked at, and where centres start.
        iterations: of k-means.
        most_vectors: that k-means of one level looks at.
        on_level: told of each level that is done.

    Returns:
        float32 [level, code, width].
    """
    left = vectors.copy()
    books = []
    for level in range(levels):
        random = np.random.default_rng([seed, level])
        chosen = random.permutation(len(left))[:most_vectors]
        book = _fit_level(left[chosen], codes, iterations, random, even=level > 0)
        left -= book[nearest(left, book)]
        books.append(book)
        on_level(level)
    return np.stack(books)


def _fit_level(
    vectors: np.ndarray, codes: int, iterations: int, random: np.random.Generator, even: bool
) -> np.ndarray:
    lengths = np.square(vectors).sum(axis=1)
    counts = 1 / np.sqrt(lengths + SOFTENING * np.median(lengths) + 1e-12)
    if not even:
        counts = np.ones_like(counts)
    weighted = vectors * counts[:, None]
    book = vectors[random.choice(len(vectors), codes, replace=len(vectors) < codes)]
    for _ in range(iterations):
        chosen = nearest(vectors, book)
        users = np.bincount(chosen, minlength=codes)
        weight = np.bincount(chosen, weights=counts, minlength=codes)
        order = np.argsort(chosen, kind="stable")
        firsts = np.concatenate([[0], np.cumsum(users)[:-1]])
        used = users > 0
        sums = np.add.reduceat(weighted[order], firsts[used], axis=0)
        book[used] = (sums / weight[used, None]).astype(np.float32)
        idle = np.flatnonzero(users < max(2, IDLE * len(vectors) / codes))
        if len(vectors) > codes:
            book[idle] = vectors[random.choice(len(vectors), len(idle))]
    return book
