"""How well judgements agree with what was asked for, beside what chance would give."""

from collections.abc import Callable

import numpy as np

from evaluation.probe import Judgement, Labels

# Tempos this near count as the same: less than a listener tells apart, more than the grid's step.
TEMPO_TOLERANCE = 0.04
RESAMPLES = 1000


def genre_agreement(found: np.ndarray, wanted: np.ndarray) -> tuple[float, float]:
    """The share of equal genres, and what it would be if the found ones were dealt anew.

    Args:
        found: str [window].
        wanted: str [window].
    """
    names = np.unique(np.concatenate([found, wanted]))
    found_share = (found[:, None] == names).mean(axis=0)
    wanted_share = (wanted[:, None] == names).mean(axis=0)
    return float((found == wanted).mean()), float(found_share @ wanted_share)


def tempo_agreement(found_bpm: np.ndarray, wanted_bpm: np.ndarray) -> tuple[float, float]:
    """The share of tempos within `TEMPO_TOLERANCE`, and if the found ones were dealt anew.

    Half and double time count as the same: two listeners may differ on it.

    Args:
        found_bpm: float [window].
        wanted_bpm: float [window].
    """
    apart = np.log2(found_bpm)[:, None] - np.log2(wanted_bpm)  # [found, wanted]
    near = np.abs(apart - np.round(apart)) <= np.log2(1 + TEMPO_TOLERANCE)
    return float(np.diag(near).mean()), float(near.mean())


def brightness_agreement(found: np.ndarray, wanted: np.ndarray) -> tuple[float, float]:
    """The mean absolute error, and the correlation (0 if either does not vary)."""
    error = float(np.abs(found - wanted).mean())
    spread = found.std() * wanted.std()
    shared = float(((found - found.mean()) * (wanted - wanted.mean())).mean())
    return error, shared / float(spread) if spread > 0 else 0.0


def interval(
    measure: Callable[[np.ndarray], float], piece: np.ndarray, seed: int
) -> tuple[float, float]:
    """Where a measure lies in 95 of 100 cases if pieces are drawn anew, whole.

    Args:
        measure: of windows, by their numbers.
        piece: int [window], which piece each window belongs to.
        seed: of the draws.
    """
    draw = np.random.default_rng(seed)
    numbers = [np.flatnonzero(piece == name) for name in np.unique(piece)]
    found = []
    for _ in range(RESAMPLES):
        chosen = draw.integers(len(numbers), size=len(numbers))
        found.append(measure(np.concatenate([numbers[index] for index in chosen])))
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def standard_error(without: Callable[[int], float], parts: int) -> float:
    """How far a figure would stray if other parts had been drawn, by the jackknife.

    It draws nothing twice, unlike `interval`: for a distance between sets, points that are there
    twice would make every set look narrower than it is.

    Args:
        without: the figure when one part, by its number, is left out.
        parts: how many there are, two at least.

    Raises:
        ValueError: there are fewer than two parts.

    Source: Efron and Stein 1981, "The jackknife estimate of variance".
    """
    if parts < 2:
        raise ValueError(f"a standard error takes two parts at least, got {parts}")
    found = np.array([without(part) for part in range(parts)])
    return float(np.sqrt((parts - 1) * found.var()))


def agreement(judged: Judgement, wanted: Labels, seed: int) -> dict[str, float]:
    """All of the above as one row of a table.

    Args:
        judged: what a probe takes windows for.
        wanted: what they ought to be.
        seed: of the interval's draws.
    """
    right = judged.genre == wanted.genre
    genre, genre_chance = genre_agreement(judged.genre, wanted.genre)
    low, high = interval(lambda windows: float(right[windows].mean()), wanted.piece, seed)
    tempo, tempo_chance = tempo_agreement(judged.tempo_bpm, wanted.tempo_bpm)
    error, correlation = brightness_agreement(judged.brightness, wanted.brightness)
    return {
        "windows": len(wanted),
        "genre right": genre,
        "from": low,
        "to": high,
        "genre by chance": genre_chance,
        "tempo right": tempo,
        "tempo by chance": tempo_chance,
        "brightness error": error,
        "brightness correlation": correlation,
    }
