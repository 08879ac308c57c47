"""The frame model's layers with weights of 8 bits, compiled by Numba for one core.

A step of a single stream reads every weight once: its time is the time of reading them. XLA's CPU
code multiplies float32 alone quickly; these loops widen int8 in registers, and read a quarter of
the bytes. A row's numbers do not depend on the other rows, bit for bit.

Letters in shapes: B rows, N layers, D width, H heads, K head width, W places of a ring.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

import numba
import numpy as np

EPSILON = np.float32(1e-6)
F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Compiles a function at its first call, and keeps the program on disk.

    It runs without Python's lock, so that other threads compute meanwhile.
    """
    return cast(F, numba.njit(fastmath=True, nogil=True, cache=True)(function))


class Matrix(NamedTuple):
    """Matrices of N layers, [out, in] each, with a scale an output.

    Attributes:
        weights: int8 [N, out, in].
        scales: float32 [N, out].
    """

    weights: np.ndarray
    scales: np.ndarray


class AttentionArrays(NamedTuple):
    """The attention blocks of N layers.

    Attributes:
        query: [N, H * K, D].
        key: [N, H * K, D or E].
        value: [N, H * K, D or E].
        out: [N, D, H * K].
        norms: float32 [N, 2, D], before and behind.
        gains: float32 [N, K], the scale of queries.
        sinks: float32 [N, 2, sink, H, K], keys and values.
    """

    query: Matrix
    key: Matrix
    value: Matrix
    out: Matrix
    norms: np.ndarray
    gains: np.ndarray
    sinks: np.ndarray


class FeedForwardArrays(NamedTuple):
    """The feed-forward blocks of N layers.

    Attributes:
        up: [N, F, D].
        up_bias: float32 [N, F].
        down: [N, D, F].
        down_bias: float32 [N, D].
        norms: float32 [N, 2, D], before and behind.
    """

    up: Matrix
    up_bias: np.ndarray
    down: Matrix
    down_bias: np.ndarray
    norms: np.ndarray


class KeyValueRing(NamedTuple):
    """The keys and values of earlier steps.

    Attributes:
        keys: float32 [B, N, H, W, K].
        values: float32 [B, N, H, W, K].
    """

    keys: np.ndarray
    values: np.ndarray


@compiled
def linear(weights: Any, scales: Any, x: Any, y: Any) -> None:
    """Writes x [B, in] times int8 [out, in] to y [B, out]."""
    outputs, inputs = weights.shape
    for out in range(outputs):
        for row in range(x.shape[0]):
            total = np.float32(0)
            for index in range(inputs):
                total += np.float32(weights[out, index]) * x[row, index]
            y[row, out] = total * scales[out]


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
def gelu(x: Any, bias: Any) -> None:
    """Adds a bias to x [B, F], then replaces it by gelu in its tanh form.

    0.5 (1 + tanh u) = 1 / (1 + exp(-2 u)); exp(t) is the 256th power of a polynomial for t / 256,
    which compilers turn into vector code.
    """
    for row in range(x.shape[0]):
        for index in range(x.shape[1]):
            z = x[row, index] + bias[index]
            u = np.float32(0.7978845608) * (z + np.float32(0.044715) * z * z * z)
            t = min(max(np.float32(-2) * u, np.float32(-40)), np.float32(40)) / np.float32(256)
            p = np.float32(1) + t * (
                np.float32(1) + t * (np.float32(0.5) + t * (np.float32(1 / 6) + t / np.float32(24)))
            )
            p = p * p
            p = p * p
            p = p * p
            p = p * p
            p = p * p
            p = p * p
            p = p * p
            p = p * p
            x[row, index] = z / (np.float32(1) + p)


@compiled
def add_normed(x: Any, scale: Any, y: Any) -> None:
    """Adds the normed rows of x [B, D] to y."""
    for row in range(x.shape[0]):
        total = np.float32(0)
        for index in range(x.shape[1]):
            total += x[row, index] * x[row, index]
        factor = np.float32(1) / np.sqrt(total / np.float32(x.shape[1]) + EPSILON)
        for index in range(x.shape[1]):
            y[row, index] += x[row, index] * factor * scale[index]


@compiled
def dot(a: Any, b: Any) -> Any:
    """Returns the product of a [K] and b [K]."""
    total = np.float32(0)
    for index in range(a.shape[0]):
        total += a[index] * b[index]
    return total


@compiled
def add(share: Any, value: Any, total: Any) -> None:
    """Adds share times value [K] to total [K]."""
    for index in range(total.shape[0]):
        total[index] += share * value[index]


@compiled
def exponentials(scores: Any) -> Any:
    """Replaces scores by their exponentials, up to a factor, and returns their sum."""
    largest, total = scores.max(), np.float32(0)
    for place in range(scores.shape[0]):
        scores[place] = np.exp(scores[place] - largest)
        total += scores[place]
    return total


@compiled
def attend(
    query: Any,
    gains: Any,
    keys: Any,
    values: Any,
    order: Any,
    key: Any,
    value: Any,
    sinks: Any,
    earlier: int,
) -> None:
    """Attends from one head: replaces its query, float32 [K], by the mixed values.

    Args:
        query: float32 [K].
        gains: float32 [K].
        keys: float32 [W, K], of earlier steps.
        values: float32 [W, K].
        order: int64 [W], the places of earlier steps, the newest first.
        key: float32 [K], of this step.
        value: float32 [K], of this step.
        sinks: float32 [2, sink, K], keys and values.
        earlier: steps that exist, at most W.
    """
    count, width = sinks.shape[1], query.shape[0]
    scores = np.empty(earlier + 1 + count, np.float32)
    for sink in range(count):
        scores[earlier + 1 + sink] = dot(query, sinks[0, sink])
    for index in range(width):
        query[index] *= gains[index]
    scores[earlier] = dot(query, key)
    for place in range(earlier):
        scores[place] = dot(query, keys[order[place]])
    total = exponentials(scores)
    for index in range(width):
        query[index] = scores[earlier] * value[index]
    for sink in range(count):
        add(scores[earlier + 1 + sink], sinks[1, sink], query)
    for place in range(earlier):
        add(scores[place], values[order[place]], query)
    for index in range(width):
        query[index] /= total


@compiled
def attention_block(
    x: Any, source: Any, own: bool, blocks: Any, ring: Any, layer: int, place: Any, earlier: Any
) -> None:
    """Adds an attention block's output to x [B, D], and writes this step to its ring.

    Args:
        x: float32 [B, D].
        source: float32 [B, E], of keys and values, unless `own`.
        own: whether keys and values come from x.
        blocks: `AttentionArrays`.
        ring: `KeyValueRing`.
        layer: index.
        place: int64 [B], where this step goes; the step before is in the place before.
        earlier: int64 [B], steps that exist; negative = the row does not have this step.
    """
    rows, heads, width = x.shape[0], ring.keys.shape[2], ring.keys.shape[4]
    window = ring.keys.shape[3]
    normed, order = np.empty_like(x), np.empty(window, np.int64)
    rms(x, blocks.norms[layer, 0], normed)
    given = normed if own else source
    query = np.empty((rows, heads * width), np.float32)
    key, value = np.empty_like(query), np.empty_like(query)
    linear(blocks.query.weights[layer], blocks.query.scales[layer], normed, query)
    linear(blocks.key.weights[layer], blocks.key.scales[layer], given, key)
    linear(blocks.value.weights[layer], blocks.value.scales[layer], given, value)
    for row in range(rows):
        exists, at = earlier[row] >= 0, place[row] % window
        seen = min(max(earlier[row], 0), window)
        for step in range(window):
            order[step] = (at - 1 - step) % window
        for head in range(heads):
            part = slice(head * width, (head + 1) * width)
            keys, values = ring.keys[row, layer, head], ring.values[row, layer, head]
            attend(
                query[row, part],
                blocks.gains[layer],
                keys,
                values,
                order,
                key[row, part],
                value[row, part],
                blocks.sinks[layer, :, :, head],
                seen,
            )
            for index in range(width):
                keys[at, index] = key[row, head * width + index] if exists else np.float32(0)
                values[at, index] = value[row, head * width + index] if exists else np.float32(0)
    linear(blocks.out.weights[layer], blocks.out.scales[layer], query, normed)
    add_normed(normed, blocks.norms[layer, 1], x)


@compiled
def ffn_block(x: Any, blocks: Any, layer: int) -> None:
    """Adds a feed-forward block's output to x [B, D]."""
    rows = x.shape[0]
    normed, out = np.empty_like(x), np.empty_like(x)
    rms(x, blocks.norms[layer, 0], normed)
    inner = np.empty((rows, blocks.up.weights.shape[1]), np.float32)
    linear(blocks.up.weights[layer], blocks.up.scales[layer], normed, inner)
    gelu(inner, blocks.up_bias[layer])
    linear(blocks.down.weights[layer], blocks.down.scales[layer], inner, out)
    for row in range(rows):
        add(np.float32(1), blocks.down_bias[layer], out[row])
    add_normed(out, blocks.norms[layer, 1], x)
