"""The frame model's layers with packed weights, compiled by Numba; see `kernels`.

A row's numbers do not depend on the other rows, bit for bit, nor on the number of threads. Threads
of a team share the columns of products and the heads of attention; what is cheap, such as norms,
each computes for itself.

Letters in shapes: B rows, N layers, D width, H heads, K head width, W places of a ring.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from soundstage.kernels.compiled import compiled
from soundstage.kernels.layers import EPSILON, exponentials, gelu, rms
from soundstage.kernels.products import Matrix, multiply, panel_share
from soundstage.kernels.team import meet, share
from soundstage.kernels.vectors import PANEL


class AttentionArrays(NamedTuple):
    """The attention blocks of N layers.

    Attributes:
        query: of N matrices [D, H * K].
        key: of N matrices [D or E, H * K].
        value: of N matrices [D or E, H * K].
        out: of N matrices [H * K, D].
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
        up: of N matrices [D, F].
        up_bias: float32 [N, F].
        down: of N matrices [F, D].
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


class SharedArrays(NamedTuple):
    """What the threads of a team write together: the outputs of the products of one stack.

    Attributes:
        query: float32 [B, H * K].
        key: float32 [B, H * K].
        value: float32 [B, H * K].
        inner: float32 [B, F].
        out: float32 [B, D].
        logits: float32 [B, codes].
    """

    query: np.ndarray
    key: np.ndarray
    value: np.ndarray
    inner: np.ndarray
    out: np.ndarray
    logits: np.ndarray


@compiled
def own_columns(member: Any, matrix: Any) -> tuple[int, int]:
    """Returns the first column of a product that this thread computes, and one after its last."""
    first, last = panel_share(member, matrix)
    return first * PANEL, min(last * PANEL, matrix.sizes[1])


@compiled
def add_bias_and_gelu(x: Any, bias: Any) -> None:
    """Adds a bias [F] to x [F], then replaces it by its gelu."""
    for index in range(x.shape[0]):
        x[index] = gelu(x[index] + bias[index])


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
def add(factor: Any, value: Any, total: Any) -> None:
    """Adds factor times value [K] to total [K]."""
    for index in range(total.shape[0]):
        total[index] += factor * value[index]


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
    member: Any,
    shared: Any,
    x: Any,
    source: Any,
    own: bool,
    blocks: Any,
    ring: Any,
    layer: int,
    place: Any,
    earlier: Any,
) -> None:
    """Adds an attention block's output to x [B, D], and writes this step to its ring.

    Args:
        member: this thread.
        shared: `SharedArrays`.
        x: float32 [B, D], this thread's own.
        source: float32 [B, E], of keys and values, unless `own`.
        own: whether keys and values come from x.
        blocks: `AttentionArrays`.
        ring: `KeyValueRing`.
        layer: index.
        place: int64 [B], where this step goes; the step before is in the place before.
        earlier: int64 [B], steps that exist; negative = the row does not have this step.
    """
    normed = np.empty_like(x)
    rms(x, blocks.norms[layer, 0], normed)
    given = normed if own else source
    multiply(member, blocks.query, layer, normed, shared.query, False)
    multiply(member, blocks.key, layer, given, shared.key, False)
    multiply(member, blocks.value, layer, given, shared.value, False)
    meet(member)
    attend_from_heads(member, shared, blocks, ring, layer, place, earlier)
    meet(member)
    multiply(member, blocks.out, layer, shared.query, shared.out, False)
    meet(member)
    add_normed(shared.out, blocks.norms[layer, 1], x)


@compiled
def attend_from_heads(
    member: Any, shared: Any, blocks: Any, ring: Any, layer: int, place: Any, earlier: Any
) -> None:
    """Attends from this thread's heads, and writes their keys and values to the ring."""
    rows, _, heads, window, width = ring.keys.shape
    first, last = share(member, heads)
    order = np.empty(window, np.int64)
    for row in range(rows):
        exists, at = earlier[row] >= 0, place[row] % window
        seen = min(max(earlier[row], 0), window)
        for step in range(window):
            order[step] = (at - 1 - step) % window
        for head in range(first, last):
            part = slice(head * width, (head + 1) * width)
            keys, values = ring.keys[row, layer, head], ring.values[row, layer, head]
            key, value = shared.key[row, part], shared.value[row, part]
            attend(
                shared.query[row, part],
                blocks.gains[layer],
                keys,
                values,
                order,
                key,
                value,
                blocks.sinks[layer, :, :, head],
                seen,
            )
            for index in range(width):
                keys[at, index] = key[index] if exists else np.float32(0)
                values[at, index] = value[index] if exists else np.float32(0)


@compiled
def ffn_block(member: Any, shared: Any, x: Any, blocks: Any, layer: int) -> None:
    """Adds a feed-forward block's output to x [B, D], this thread's own."""
    rows = x.shape[0]
    normed = np.empty_like(x)
    rms(x, blocks.norms[layer, 0], normed)
    multiply(member, blocks.up, layer, normed, shared.inner, False)
    first, last = own_columns(member, blocks.up)
    for row in range(rows):
        add_bias_and_gelu(shared.inner[row, first:last], blocks.up_bias[layer, first:last])
    meet(member)
    multiply(member, blocks.down, layer, shared.inner, shared.out, False)
    meet(member)
    normed[:] = shared.out
    for row in range(rows):
        add(np.float32(1), blocks.down_bias[layer], normed[row])
    add_normed(normed, blocks.norms[layer, 1], x)
