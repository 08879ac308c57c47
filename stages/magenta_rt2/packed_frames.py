"""Frames one after another with packed weights; see `packed_layers`."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from soundstage.kernels.choice import choose_code
from soundstage.kernels.compiled import compiled
from soundstage.kernels.layers import EPSILON
from soundstage.kernels.products import Matrix, multiply
from soundstage.kernels.team import meet
from soundstage.stages.magenta_rt2.config import RESERVED
from soundstage.stages.magenta_rt2.packed_layers import (
    AttentionArrays,
    FeedForwardArrays,
    KeyValueRing,
    attention_block,
    ffn_block,
    own_columns,
)


class FrameArrays(NamedTuple):
    """All arrays of a frame model.

    Attributes:
        table: float32 [ids, D], embeddings of ids times sqrt(D).
        own: self-attention over frames.
        conditioning: cross-attention.
        frame_ffn: feed-forward blocks over frames.
        adapter: of one matrix [D, d]; where d = D, one that is not used.
        levels: self-attention over levels.
        level_ffn: feed-forward blocks over levels.
        final_norm: float32 [2, d], scale and bias.
        head: of L matrices [d, codes].
        head_bias: float32 [L, codes].
        cap: float32 scalar array, the soft limit of logits.
    """

    table: np.ndarray
    own: AttentionArrays
    conditioning: AttentionArrays
    frame_ffn: FeedForwardArrays
    adapter: Matrix
    levels: AttentionArrays
    level_ffn: FeedForwardArrays
    final_norm: np.ndarray
    head: Matrix
    head_bias: np.ndarray
    cap: np.ndarray


@compiled
def layer_norm(x: Any, scale: Any, bias: Any) -> None:
    """Replaces the rows of x [B, D] by normed ones."""
    rows, width = x.shape
    for row in range(rows):
        total = np.float32(0)
        for index in range(width):
            total += x[row, index]
        mean, total = total / np.float32(width), np.float32(0)
        for index in range(width):
            x[row, index] -= mean
            total += x[row, index] * x[row, index]
        factor = np.float32(1) / np.sqrt(total / np.float32(width) + EPSILON)
        for index in range(width):
            x[row, index] = x[row, index] * factor * scale[index] + bias[index]


@compiled
def depth(
    member: Any, shared: Any, arrays: Any, x: Any, noise: Any, settings: Any, codes: Any
) -> None:
    """Chooses the codes of a frame: float32 [B, D], overwritten, -> `codes`, int64 [B, L].

    Each thread has an x and codes of its own.
    """
    rows, levels = codes.shape
    count, heads = arrays.levels.norms.shape[0], arrays.levels.sinks.shape[3]
    width, size = arrays.levels.gains.shape[1], arrays.head_bias.shape[1]
    shape, cap = (rows, count, heads, levels, width), arrays.cap[0]
    ring = KeyValueRing(np.zeros(shape, np.float32), np.zeros(shape, np.float32))
    logits, at = shared.logits, np.empty(rows, np.int64)
    first, last = own_columns(member, arrays.head)
    y = np.empty((rows, arrays.final_norm.shape[1]), np.float32)
    for level in range(levels):
        if x.shape[1] != y.shape[1]:
            multiply(member, arrays.adapter, 0, x, shared.out, False)
            meet(member)
            copy(shared.out, y)
        else:
            copy(x, y)
        for row in range(rows):
            at[row] = level
        for layer in range(count):
            attention_block(member, shared, y, y, True, arrays.levels, ring, layer, at, at)
            ffn_block(member, shared, y, arrays.level_ffn, layer)
        layer_norm(y, arrays.final_norm[0], arrays.final_norm[1])
        multiply(member, arrays.head, level, y, logits, False)
        for row in range(rows):
            for code in range(first, last):
                raw = logits[row, code] + arrays.head_bias[level, code]
                logits[row, code] = cap * np.tanh(raw / cap)
        meet(member)
        for row in range(rows):
            chosen = choose_code(
                logits[row],
                noise[level, row],
                settings.temperature[row],
                settings.top_k[row],
                settings.top_p[row],
                settings.min_p[row],
            )
            codes[row, level] = chosen
            look_up(arrays.table, RESERVED + level * size + chosen, x[row])


@compiled
def copy(x: Any, y: Any) -> None:
    """Writes x [B, D] to y."""
    for row in range(x.shape[0]):
        for index in range(x.shape[1]):
            y[row, index] = x[row, index]


@compiled
def look_up(table: Any, identity: int, x: Any) -> None:
    """Writes a row of the table to x [D]."""
    for index in range(x.shape[0]):
        x[index] = table[identity, index]


@compiled
def mean_embedding(table: Any, ids: Any, x: Any) -> None:
    """Writes the mean embedding of ids [B, L] to x [B, D]."""
    rows, levels = ids.shape
    for row in range(rows):
        for index in range(x.shape[1]):
            total = np.float32(0)
            for level in range(levels):
                total += table[ids[row, level], index]
            x[row, index] = total / np.float32(levels)


@compiled
def run_steps(
    member: Any,
    shared: Any,
    arrays: Any,
    ids: Any,
    embeddings: Any,
    place: Any,
    first: Any,
    own: Any,
    conditioning: Any,
    settings: Any,
    noise: Any,
    start: int,
    end: int,
) -> None:
    """Runs steps as `sampler.run_frames` does.

    Args:
        member: this thread.
        shared: two `SharedArrays`, of the layers over frames and of those over levels.
        arrays: `FrameArrays`.
        ids: int64 [past + frames, B, L]; new frames are written behind the past.
        embeddings: float32 [end - start, B, E].
        place: int64 [2, B], the places in both rings of the step that reads the past's last frame.
        first: int64 [B].
        own: `KeyValueRing` of self-attention; overwritten, as the next.
        conditioning: `KeyValueRing` of cross-attention.
        settings: `Settings`.
        noise: float32 [frames, L, B, codes].
        start: the first step.
        end: one more than the last step.
    """
    rows, levels = ids.shape[1:]
    past, size = ids.shape[0] - noise.shape[0], arrays.head_bias.shape[1]
    x = np.empty((rows, arrays.table.shape[1]), np.float32)
    earlier, codes = np.empty(rows, np.int64), np.empty((rows, levels), np.int64)
    at, outs = np.empty((2, rows), np.int64), shared[0]
    for index in range(start, end):
        mean_embedding(arrays.table, ids[index], x)
        shift = index - (past - 1)
        for row in range(rows):
            earlier[row] = index - first[row]
            at[0, row], at[1, row] = place[0, row] + shift, place[1, row] + shift
        given = embeddings[index - start]
        for layer in range(arrays.own.norms.shape[0]):
            attention_block(member, outs, x, given, True, arrays.own, own, layer, at[0], earlier)
            blocks, ring = arrays.conditioning, conditioning
            attention_block(member, outs, x, given, False, blocks, ring, layer, at[1], earlier)
            ffn_block(member, outs, x, arrays.frame_ffn, layer)
        if shift >= 0:
            depth(member, shared[1], arrays, x, noise[shift], settings, codes)
            for row in range(rows):
                for level in range(levels):
                    identity = RESERVED + level * size + codes[row, level]
                    ids[past + shift, row, level] = identity
