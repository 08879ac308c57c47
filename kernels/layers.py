"""Norms, gates and attention, row by row.

Letters in shapes: B rows, D width, F inner width, K head width, S positions.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from soundstage.kernels.compiled import compiled

EPSILON = np.float32(1e-6)
LOG2_E, LN_2_HIGH, LN_2_LOW = (
    np.float32(1.44269504),
    np.float32(0.693359375),
    np.float32(-2.1219444e-4),
)
# Results below the least normal number become it: 0 to float32's sums of larger terms.
LEAST, MOST = np.float32(-87.0), np.float32(88.0)


@compiled
def exponential(x: Any) -> Any:
    """Returns exp(x), float32, to 2 units in the last place for x in [-87, 88].

    Without a branch or a call, so that loops over it become vector code.
    """
    x = min(max(x, LEAST), MOST)
    power = np.floor(x * LOG2_E + np.float32(0.5))
    rest = (x - power * LN_2_HIGH) - power * LN_2_LOW
    series = np.float32(1.9875691e-4)
    series = series * rest + np.float32(1.3981999e-3)
    series = series * rest + np.float32(8.3334519e-3)
    series = series * rest + np.float32(4.1665795e-2)
    series = series * rest + np.float32(1.6666665e-1)
    series = series * rest + np.float32(5.0000001e-1)
    series = series * rest * rest + rest + np.float32(1)
    factor = np.int32((np.int32(power) + np.int32(127)) << np.int32(23))
    return series * factor.view(np.float32)


@compiled
def rms(x: Any, scale: Any, y: Any) -> None:
    """Writes the normed rows of x [B, D] to y."""
    rows, width = x.shape
    for row in range(rows):
        total = np.float32(0)
        for index in range(width):
            total += x[row, index] * x[row, index]
        factor = np.float32(1) / np.sqrt(total / np.float32(width) + EPSILON)
        for index in range(width):
            y[row, index] = x[row, index] * factor * scale[index]


@compiled
def gelu(z: Any) -> Any:
    """Returns gelu in its tanh form: 0.5 (1 + tanh u) = 1 / (1 + exp(-2 u))."""
    u = np.float32(0.7978845608) * (z + np.float32(0.044715) * z * z * z)
    return z / (np.float32(1) + exponential(np.float32(-2) * u))


@compiled
def gate(z: Any, factors: Any) -> None:
    """Replaces z [F] by gelu of z times the factors [F]."""
    for index in range(z.shape[0]):
        z[index] = gelu(z[index]) * factors[index]


@compiled
def exponentials(scores: Any) -> Any:
    """Replaces scores by their exponentials, up to a factor, and returns their sum."""
    largest, total = scores.max(), np.float32(0)
    for place in range(scores.shape[0]):
        scores[place] = exponential(scores[place] - largest)
    for place in range(scores.shape[0]):
        total += scores[place]
    return total


@compiled
def attend(query: Any, keys: Any, values: Any, bias: Any, mixed: Any) -> None:
    """Attends from one head.

    Args:
        query: float32 [K].
        keys: float32 [at least S, K].
        values: float32 [at least S, K].
        bias: float32 [S], added to the scores; large negative numbers hide.
        mixed: float32 [K]; what is written.
    """
    count, width = bias.shape[0], query.shape[0]
    scores = np.empty(count, np.float32)
    for place in range(count):
        score = np.float32(0)
        for index in range(width):
            score += query[index] * keys[place, index]
        scores[place] = score + bias[place]
    total = exponentials(scores)
    mixed[:] = np.float32(0)
    whole = count // 4 * 4
    for place in range(0, whole, 4):
        a, b, c, d = scores[place], scores[place + 1], scores[place + 2], scores[place + 3]
        for index in range(width):
            mixed[index] += (
                a * values[place, index]
                + b * values[place + 1, index]
                + c * values[place + 2, index]
                + d * values[place + 3, index]
            )
    for place in range(whole, count):
        for index in range(width):
            mixed[index] += scores[place] * values[place, index]
    for index in range(width):
        mixed[index] /= total
