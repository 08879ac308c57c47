"""What the prompts of a row ask for beside the style: tempo, sound, and words not understood."""

from collections.abc import Iterable, Sequence

import numpy as np

from soundstage.stages.words import Meaning

NOT_SAID = -1.0


def asked_tempo(meanings: Sequence[Meaning], weights: np.ndarray) -> np.ndarray:
    """Returns what the heaviest prompt that says something about tempo says.

    Args:
        meanings: one a text prompt.
        weights: float [text]; prompts of weight 0 do not count, the first of equals does.

    Returns:
        float32 [3]: the asked, the lowest and the highest tempo in beats a minute, -1 = not said.
    """
    for meaning in _by_weight(meanings, weights):
        if meaning.bpm is not None or meaning.tempo is not None:
            asked = NOT_SAID if meaning.bpm is None else meaning.bpm
            low, high = meaning.tempo or (asked, asked)
            return np.array([asked, low, high], np.float32)
    return np.full(3, NOT_SAID, np.float32)


def asked_sound(meanings: Sequence[Meaning], weights: np.ndarray) -> np.ndarray:
    """Returns density and brightness as weighted means, and drums of the heaviest that says so.

    Args:
        meanings: one a text prompt.
        weights: float [text]; prompts of weight 0 do not count.

    Returns:
        float32 [3]: density and brightness in [0, 1], drums 0 or 1; -1 = not said.
    """
    drums = (one.drums for one in _by_weight(meanings, weights) if one.drums is not None)
    return np.array(
        [
            _mean([meaning.density for meaning in meanings], weights),
            _mean([meaning.brightness for meaning in meanings], weights),
            float(next(drums, NOT_SAID)),
        ],
        np.float32,
    )


def heard_weights(
    meanings: Sequence[Meaning], weights: np.ndarray, others: np.ndarray
) -> np.ndarray:
    """Returns the weights of a row's texts, with 0 for those that say nothing about music.

    Args:
        meanings: one a text prompt.
        weights: float32 [text].
        others: float32 [prompt], the weights of the row's clips and style vectors.

    Returns:
        float32 [text]; `weights` itself, if no other prompt of the row would count.
    """
    said = np.array([not meaning.empty for meaning in meanings], bool)
    if len(said) != len(weights) or not (weights[said].sum() + others.sum() > 0):
        return weights
    # Weights that are refused stay, so that the refusal names them.
    return np.where(said | ~(weights >= 0), weights, np.float32(0))


def not_understood(meanings: Iterable[Meaning]) -> list[str]:
    """Returns the words of each text that are not understood, with commas between; "" = none."""
    return [", ".join(meaning.not_understood) for meaning in meanings]


def _by_weight(meanings: Sequence[Meaning], weights: np.ndarray) -> list[Meaning]:
    order = sorted(range(len(meanings)), key=lambda number: -weights[number])
    return [meanings[number] for number in order if weights[number] > 0]


def _mean(values: Sequence[float | None], weights: np.ndarray) -> float:
    pairs = [
        (value, float(weight))
        for value, weight in zip(values, weights, strict=True)
        if value is not None and weight > 0
    ]
    total = sum(weight for _, weight in pairs)
    return sum(value * weight for value, weight in pairs) / total if total else NOT_SAID
