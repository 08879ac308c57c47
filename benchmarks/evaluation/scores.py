"""Agreement of judgements with labels, compared with chance, and distances of sets of points."""

from collections.abc import Callable

import numpy as np

from evaluation.probe import Judgement, Labels

# Tempos within this ratio count as equal: below what a listener notices, above the grid's step.
TEMPO_TOLERANCE = 0.04
RESAMPLES = 1000


def genre_agreement(judged: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Returns the share of equal genres, and the share for the same judgements in random order.

    Args:
        judged: str [window].
        labels: str [window].
    """
    names = np.unique(np.concatenate([judged, labels]))
    judged_share = (judged[:, None] == names).mean(axis=0)
    label_share = (labels[:, None] == names).mean(axis=0)
    return float((judged == labels).mean()), float(judged_share @ label_share)


def tempo_agreement(judged_bpm: np.ndarray, labels_bpm: np.ndarray) -> tuple[float, float]:
    """Returns the share of equal tempos, and the share for the same judgements in random order.

    Tempos within `TEMPO_TOLERANCE` are equal, also at half or double time, on which listeners
    differ.

    Args:
        judged_bpm: float [window].
        labels_bpm: float [window].
    """
    octaves = np.log2(judged_bpm)[:, None] - np.log2(labels_bpm)  # [judged, label]
    near = np.abs(octaves - np.round(octaves)) <= np.log2(1 + TEMPO_TOLERANCE)
    return float(np.diag(near).mean()), float(near.mean())


def brightness_agreement(judged: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Returns the mean absolute error, and the correlation (0 if either is constant)."""
    error = float(np.abs(judged - labels).mean())
    spread = judged.std() * labels.std()
    covariance = float(((judged - judged.mean()) * (labels - labels.mean())).mean())
    return error, covariance / float(spread) if spread > 0 else 0.0


def interval(
    measure: Callable[[np.ndarray], float], piece: np.ndarray, seed: int
) -> tuple[float, float]:
    """Returns a 95 % interval of a measure over bootstrap samples of whole pieces.

    Args:
        measure: a function of the numbers of windows.
        piece: int [window], the number of each window's piece.
        seed: the seed of the draws.
    """
    draw = np.random.default_rng(seed)
    numbers = [np.flatnonzero(piece == name) for name in np.unique(piece)]
    values = []
    for _ in range(RESAMPLES):
        chosen = draw.integers(len(numbers), size=len(numbers))
        values.append(measure(np.concatenate([numbers[index] for index in chosen])))
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def standard_error(without: Callable[[int], float], parts: int) -> float:
    """Estimates the standard error of a value over the choice of parts, by the jackknife.

    Unlike `interval` it repeats no part: repeated points would make a set look narrower, and so
    change a distance between sets.

    Args:
        without: returns the value without the part of a number.
        parts: number of parts, at least two.

    Raises:
        ValueError: there are fewer than two parts.

    Source: Efron and Stein 1981, "The jackknife estimate of variance".
    """
    if parts < 2:
        raise ValueError(f"a standard error needs at least two parts, got {parts}")
    values = np.array([without(part) for part in range(parts)])
    return float(np.sqrt((parts - 1) * values.var()))


def frechet(first: np.ndarray, second: np.ndarray) -> float:
    """Returns the Fréchet distance of Gaussians fitted to two sets of points.

    It depends on the number of points, even for samples of one distribution: compare only values
    of equally many points.

    Args:
        first: float [point, direction], at least two points.
        second: float [point, direction], at least two points.

    Returns:
        The squared distance of the means plus that of the covariances, in squared units of the
        points; 0 for equal sets.

    Raises:
        ValueError: a set has fewer than two points.

    Source: Dowson and Landau 1982, "The Fréchet distance between multivariate normal
    distributions".
    """
    if min(len(first), len(second)) < 2:
        raise ValueError("a set of points to compare needs at least two points")
    gap = first.mean(axis=0) - second.mean(axis=0)
    one, other = np.atleast_2d(np.cov(first.T)), np.atleast_2d(np.cov(second.T))
    root = _square_root(one)
    shared = _square_root(root @ other @ root)
    spreads = np.trace(one + other) - 2 * np.trace(shared)
    return float(max(gap @ gap + spreads, 0.0))


def _square_root(symmetric: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh((symmetric + symmetric.T) / 2)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


def agreement(judged: Judgement, labels: Labels, seed: int) -> dict[str, float]:
    """Returns the agreement of genre, tempo and brightness as one row of a table.

    Args:
        judged: a probe's judgement of windows.
        labels: the labels of the same windows.
        seed: the seed of the interval's draws.
    """
    right = judged.genre == labels.genre
    genre, genre_chance = genre_agreement(judged.genre, labels.genre)
    low, high = interval(lambda windows: float(right[windows].mean()), labels.piece, seed)
    tempo, tempo_chance = tempo_agreement(judged.tempo_bpm, labels.tempo_bpm)
    error, correlation = brightness_agreement(judged.brightness, labels.brightness)
    return {
        "windows": len(labels),
        "genre right": genre,
        "from": low,
        "to": high,
        "genre by chance": genre_chance,
        "tempo right": tempo,
        "tempo by chance": tempo_chance,
        "brightness error": error,
        "brightness correlation": correlation,
    }
