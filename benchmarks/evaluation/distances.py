"""How far two sets of points lie apart as wholes."""

import numpy as np


def frechet(first: np.ndarray, second: np.ndarray) -> float:
    """The Fréchet distance of the Gaussians that two sets of points are like.

    It falls with the number of points even between samples of one distribution: compare figures of
    equally many points only.

    Args:
        first: float [point, direction], two points at least.
        second: float [point, direction].

    Returns:
        The squared distance of the means plus that of the spreads, in squared units of the points;
        0 for equal sets.

    Raises:
        ValueError: a set has fewer than two points.

    Source: Dowson and Landau 1982, "The Fréchet distance between multivariate normal
    distributions".
    """
    if min(len(first), len(second)) < 2:
        raise ValueError("a set of points to compare needs two points at least")
    gap = first.mean(axis=0) - second.mean(axis=0)
    one, other = np.cov(first.T), np.cov(second.T)
    root = _square_root(np.atleast_2d(one))
    shared = _square_root(root @ np.atleast_2d(other) @ root)
    spreads = np.trace(np.atleast_2d(one) + np.atleast_2d(other)) - 2 * np.trace(shared)
    return float(max(gap @ gap + spreads, 0.0))


def _square_root(symmetric: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh((symmetric + symmetric.T) / 2)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
