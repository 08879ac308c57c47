"""Whether chunks join without being heard: places at the joins, ranked among all others near."""

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
    """The joins of one stream, each ranked among places of the chunks on both of its sides.

    If joins are as smooth as any other place, ranks are spread evenly over 0 to 1.

    Attributes:
        click: float64 [join], the rank of the largest step between two samples within `CLICK_S`.
        change: float64 [join], the rank of the difference of the spectra of `CHANGE_S` before and
            behind.
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
        audio: float32 [sample, channel], whole chunks, two at least.
        chunk_samples: length of a chunk.
        sample_rate_hz: of the audio.
        behind_samples: how far behind the start of a chunk to look: where a cross-fade ends, there
            is a second join. The last join is left out if its chunk ends too soon.

    Raises:
        ValueError: there are fewer than two chunks.
    """
    count = len(audio) // chunk_samples
    if count < 2 or (behind_samples and count < 3):
        raise ValueError("a join needs a chunk before and a whole one behind it")
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
    """The change at the middle, and those at places whose stretches do not reach it."""
    middle, reach = len(changes) // 2, round(CHANGE_S / CHANGE_STEP_S)
    others = np.concatenate([changes[: middle - reach + 1], changes[middle + reach :]])
    return float(changes[middle]), others


def largest_steps(audio: np.ndarray, join: int, width: int) -> tuple[float, np.ndarray]:
    """The largest step between neighbouring samples at a join, and in stretches away from it.

    Args:
        audio: float32 [sample, channel].
        join: the first sample behind the join.
        width: samples of a stretch; the join is in the middle of its own.

    Returns:
        The step at the join, and float64 [stretch] of all stretches that do not touch it.
    """
    steps = np.abs(np.diff(audio, axis=0)).max(axis=1).astype(np.float64)
    first = join - 1 - width // 2
    before = steps[: first // width * width].reshape(-1, width).max(axis=1)
    after = steps[first + width :]
    after = after[: len(after) // width * width].reshape(-1, width).max(axis=1)
    return float(steps[first : first + width].max()), np.concatenate([before, after])


def spectral_changes(audio: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """How much the sound changes at places a step apart, the middle of the audio among them.

    Args:
        audio: float32 [sample, channel].
        sample_rate_hz: of the audio.

    Returns:
        float64 [place], an odd number: mean absolute difference of the logarithms of bands of equal
        width in octaves, between the stretch before and the stretch behind a place.
    """
    length, step = round(CHANGE_S * sample_rate_hz), round(CHANGE_STEP_S * sample_rate_hz)
    middle = len(audio) // 2
    reach = (middle - length) // step
    places = middle + step * np.arange(-reach, reach + 1)
    mono = audio.mean(axis=1)
    window = np.hanning(length)
    edges = np.geomspace(2, length // 2, BANDS + 1).astype(int)

    def bands(starts: np.ndarray) -> np.ndarray:
        stretches = mono[starts[:, None] + np.arange(length)] * window
        power = np.square(np.abs(np.fft.rfft(stretches)))[:, : edges[-1]]
        return np.log(np.add.reduceat(power, edges[:-1], axis=1) + FLOOR)

    return np.abs(bands(places) - bands(places - length)).mean(axis=1)


def rank(value: float, others: np.ndarray) -> float:
    """The share of others below a value; equal ones count half."""
    return float((others < value).mean() + 0.5 * (others == value).mean())
