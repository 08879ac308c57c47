"""How a code is chosen from logits: cuts, temperature and noise, for one row."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from soundstage.kernels.compiled import compiled
from soundstage.kernels.layers import exponential

# Less than any logit.
CUT = np.float32(-1e30)
# At this temperature and below, the most likely code is chosen.
GREEDY, LEAST_SHARE = np.float32(1e-4), np.float32(1e-9)
MAGNITUDE, LOWEST = np.int32(0x7FFFFFFF), -(1 << 31)


class Settings(NamedTuple):
    """How codes are chosen, for every row.

    Attributes:
        temperature: float32 [row]; 0 = greedy.
        top_k: int64 [row], in [1, codes].
        top_p: float32 [row], 1 = no cut.
        min_p: float32 [row], 0 = no cut.
    """

    temperature: np.ndarray
    top_k: np.ndarray
    top_p: np.ndarray
    min_p: np.ndarray


def settings(
    codes: int,
    temperature: np.ndarray,
    top_k: np.ndarray,
    top_p: np.ndarray | None,
    min_p: np.ndarray | None,
) -> Settings:
    """Returns the settings of all rows: a top k of 0 and cuts that are None cut nothing."""
    rows, kept = len(temperature), np.array(top_k, np.int64)
    return Settings(
        np.array(temperature, np.float32),
        np.where(kept == 0, codes, np.minimum(kept, codes)),
        or_constant(top_p, 1.0, rows),
        or_constant(min_p, 0.0, rows),
    )


def or_constant(values: np.ndarray | None, otherwise: float, rows: int) -> np.ndarray:
    """Returns values as float32 [row] that may be written to, or a constant in place of None.

    Numba compiles apart for arrays that are read-only.
    """
    return np.full(rows, otherwise, np.float32) if values is None else np.array(values, np.float32)


@compiled
def choose_code(
    logits: Any, noise: Any, temperature: Any, top_k: int, top_p: Any, min_p: Any
) -> int:
    """Chooses a code from float32 [codes], as the choosers in JAX do; the first one on ties."""
    greedy, choices = temperature <= GREEDY, logits.shape[0]
    factor = np.float32(1) / (np.float32(1) if greedy else temperature)
    warm, scores = np.empty(choices, np.float32), np.empty(choices, np.float32)
    for choice in range(choices):
        warm[choice] = logits[choice] * factor
    least = CUT
    if not greedy and top_k < choices:
        least = kth_largest(warm, top_k)
    if not greedy and top_p < 1:
        least = max(least, nucleus(warm, least, max(top_p, LEAST_SHARE)))
    if min_p > 0:
        least = max(least, warm.max() + np.log(min_p))
    share = np.float32(0) if greedy else np.float32(1)
    for choice in range(choices):
        score = warm[choice] + share * noise[choice]
        scores[choice] = score if warm[choice] >= least else CUT
    return first_largest(scores)


@compiled
def first_largest(values: Any) -> int:
    """Returns the index of the largest of float32 [choices], the first on ties."""
    largest, last = np.float32(values[0]), values.shape[0] - 1
    for choice in range(values.shape[0]):
        largest = max(largest, values[choice])
    index = np.int32(last)
    for choice in range(values.shape[0]):
        index = min(index, np.int32(choice) if values[choice] == largest else np.int32(last))
    return int(index)


@compiled
def ordered(values: Any, numbers: Any) -> None:
    """Writes the bits of float32 [choices] as int32 that sort as the floats do."""
    for choice in range(values.shape[0]):
        bits = np.float32(values[choice]).view(np.int32)
        numbers[choice] = bits ^ ((bits >> np.int32(31)) & MAGNITUDE)


@compiled
def value_of(number: int) -> Any:
    """Returns the float32 of a number that `ordered` writes."""
    bits = np.int32(number)
    bits_of_value = np.int32(bits ^ ((bits >> np.int32(31)) & MAGNITUDE))
    return bits_of_value.view(np.float32)


@compiled
def kth_largest(values: Any, k: int) -> Any:
    """Returns the k-th largest of float32 [choices]; searches its bits from the highest down."""
    numbers, found = np.empty(values.shape[0], np.int32), LOWEST
    ordered(values, numbers)
    for shift in range(31, -1, -1):
        candidate, count = found + (1 << shift), np.int32(0)
        limit = np.int32(candidate)
        for choice in range(numbers.shape[0]):
            count += np.int32(numbers[choice] >= limit)
        if count >= k:
            found = candidate
    return value_of(found)


@compiled
def nucleus(warm: Any, least: Any, share: Any) -> Any:
    """Returns the least of the likeliest logits that make up a share of those >= least."""
    largest, total = warm.max(), np.float32(0)
    weights, numbers = np.empty_like(warm), np.empty(warm.shape[0], np.int32)
    ordered(warm, numbers)
    for choice in range(warm.shape[0]):
        weight = exponential(warm[choice] - largest)
        weights[choice] = weight if warm[choice] >= least else np.float32(0)
    for choice in range(warm.shape[0]):
        total += weights[choice]
    found = LOWEST
    for shift in range(31, -1, -1):
        candidate, reached = found + (1 << shift), np.float32(0)
        limit = np.int32(candidate)
        for choice in range(numbers.shape[0]):
            reached += weights[choice] if numbers[choice] >= limit else np.float32(0)
        if reached >= share * total:
            found = candidate
    return value_of(found)
