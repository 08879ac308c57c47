"""The joins of chunks, ranked among all other positions of the chunks around them."""

from dataclasses import dataclass

import numpy as np

# A click lasts a few samples, a change of sound some tens of milliseconds.
CLICK_S = 0.005
CHANGE_S = 0.08
CHANGE_STEP_S = 0.02
BANDS = 24
FLOOR = 1e-4


@dataclass(frozen=True)
class Joins:
    """The joins of one stream, each ranked among the positions of its two chunks.

    If joins are as smooth as other positions, the ranks are uniform over 0 to 1.

    Attributes:
        click: float64 [join], the rank of the largest step between two samples within `CLICK_S`.
        change: float64 [join], the rank of the difference between the spectra of `CHANGE_S` before
            and after.
        steps: float64 [join], the largest step itself, 1.0 = full scale.
    """

    click: np.ndarray
    change: np.ndarray
    steps: np.ndarray


def find_joins(
    audio: np.ndarray, chunk_samples: int, sample_rate_hz: int, behind_samples: int = 0
) -> Joins:
    """Ranks the joins of a stream of chunks.

    Args:
        audio: float32 [sample, channel], at least two whole chunks.
        chunk_samples: length of a chunk.
        sample_rate_hz: the sample rate of the audio.
        behind_samples: position of the join after the start of a chunk, such as the end of its
            cross-fade. If it is not 0, the last join is left out, as no whole chunk follows it.

    Raises:
        ValueError: there are too few chunks.
    """
    count = len(audio) // chunk_samples
    if count < 2 or (behind_samples and count < 3):
        raise ValueError("a join needs a chunk before it and a whole chunk after it")
    clicks, changes, steps = [], [], []
    for join in range(1, count - 1 if behind_samples else count):
        first = (join - 1) * chunk_samples + behind_samples
        around = audio[first : first + 2 * chunk_samples]
        at, others = largest_steps(around, chunk_samples, round(CLICK_S * sample_rate_hz))
        steps.append(at)
        clicks.append(rank(at, others))
        changes.append(rank(*_apart(spectral_changes(around, sample_rate_hz))))
    return Joins(np.array(clicks), np.array(changes), np.array(steps))


def _apart(changes: np.ndarray) -> tuple[float, np.ndarray]:
    """Returns the change at the middle, and those at positions whose stretches do not reach it."""
    middle, reach = len(changes) // 2, round(CHANGE_S / CHANGE_STEP_S)
    others = np.concatenate([changes[: middle - reach + 1], changes[middle + reach :]])
    return float(changes[middle]), others


def largest_steps(audio: np.ndarray, join: int, width: int) -> tuple[float, np.ndarray]:
    """Finds the largest step between neighbouring samples around a join and in other stretches.

    Args:
        audio: float32 [sample, channel].
        join: the first sample after the join.
        width: samples of a stretch.

    Returns:
        The step at the join, and float64 [stretch] of all other stretches.
    """
    steps = np.abs(np.diff(audio, axis=0)).max(axis=1).astype(np.float64)
    first = join - 1 - width // 2
    before = steps[: first // width * width].reshape(-1, width).max(axis=1)
    after = steps[first + width :]
    after = after[: len(after) // width * width].reshape(-1, width).max(axis=1)
    return float(steps[first : first + width].max()), np.concatenate([before, after])


def spectral_changes(audio: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """Measures the change of the spectrum at equidistant positions around the middle of the audio.

    Args:
        audio: float32 [sample, channel].
        sample_rate_hz: the sample rate of the audio.

    Returns:
        float64 [position], an odd number: mean absolute difference of the logarithms of bands of
        equal width in octaves, between the stretch before and the stretch after a position.
    """
    length, step = round(CHANGE_S * sample_rate_hz), round(CHANGE_STEP_S * sample_rate_hz)
    middle = len(audio) // 2
    reach = (middle - length) // step
    positions = middle + step * np.arange(-reach, reach + 1)
    mono = audio.mean(axis=1)
    window = np.hanning(length)
    edges = np.geomspace(2, length // 2, BANDS + 1).astype(int)

    def bands(starts: np.ndarray) -> np.ndarray:
        stretches = mono[starts[:, None] + np.arange(length)] * window
        power = np.square(np.abs(np.fft.rfft(stretches)))[:, : edges[-1]]
        return np.log(np.add.reduceat(power, edges[:-1], axis=1) + FLOOR)

    return np.abs(bands(positions) - bands(positions - length)).mean(axis=1)


def rank(value: float, others: np.ndarray) -> float:
    """Returns the share of others below a value; equal ones count half."""
    return float((others < value).mean() + 0.5 * (others == value).mean())
