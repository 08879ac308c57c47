"""Attention from many queries: blocks of them meet keys and values that lie in panels.

A query's result does not depend on the other queries, bit for bit, nor on the thread that computes
it. Letters in shapes: H heads, K head width, S keys, T queries.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from soundstage.kernels.compiled import compiled
from soundstage.kernels.layers import exponentials
from soundstage.kernels.products import float_tile
from soundstage.kernels.team import meet, share
from soundstage.kernels.vectors import PANEL, TILE

# Of a block; their scores stay in a core's cache.
QUERIES = 32


class Panels(NamedTuple):
    """The keys and values of all heads in panels, with zeros around them; they are overwritten.

    Attributes:
        keys: float32 [H, panel of keys, K, PANEL].
        values: float32 [H, panel of the width, most keys, PANEL].
    """

    keys: np.ndarray
    values: np.ndarray


def empty_panels(heads: int, width: int, most_keys: int) -> Panels:
    """Returns panels for so many keys."""
    keys, columns = -(-most_keys // PANEL), -(-width // PANEL)
    return Panels(
        np.zeros((heads, keys, width, PANEL), np.float32),
        np.zeros((heads, columns, most_keys, PANEL), np.float32),
    )


@compiled
def own_queries(member: Any, count: int) -> tuple[int, int]:
    """Returns the first of so many queries that this thread computes, and one after its last.

    They are whole blocks: which keys a causal block looks at does not depend on the threads.
    """
    first, last = share(member, (count + QUERIES - 1) // QUERIES)
    return min(first * QUERIES, count), min(last * QUERIES, count)


@compiled
def split_heads(inputs: Any, part: int, first: int, last: int, target: Any) -> None:
    """Writes some rows of a part of the inputs, [T, parts * H * K], to [H, at least T, K]."""
    heads, width = target.shape[0], target.shape[2]
    for row in range(first, last):
        for head in range(heads):
            begin = (part * heads + head) * width
            for index in range(width):
                target[head, row, index] = inputs[row, begin + index]


@compiled
def attend_blocks(
    member: Any,
    query: Any,
    keys: Any,
    values: Any,
    relative_bias: Any,
    key_bias: Any,
    panels: Any,
    mixed: Any,
) -> None:
    """Attends from this thread's queries; all threads must have written their keys and values.

    Args:
        member: this thread.
        query: float32 [T, at least H * K].
        keys: float32 [H, at least S, K].
        values: float32 [H, at least S, K].
        relative_bias: float32 [H, at least T, at least S], which hides later keys; or [0, 0, 0],
            and all keys are seen.
        key_bias: float32 [S], added to the scores; large negative numbers hide.
        panels: `Panels`, shared by the threads.
        mixed: float32 [T, H * K]; what is written.
    """
    heads, width, count = keys.shape[0], keys.shape[2], key_bias.shape[0]
    first, last = share(member, heads)
    for head in range(first, last):
        pack_keys(keys[head], count, panels.keys[head])
        pack_values(values[head], count, panels.values[head])
    meet(member)
    first, last = own_queries(member, query.shape[0])
    memory, given = np.empty(QUERIES * count, np.float32), np.empty((QUERIES, width), np.float32)
    causal = relative_bias.shape[0] > 0
    for begin in range(first, last, QUERIES):
        end = min(begin + QUERIES, last)
        seen = min(begin + QUERIES, count) if causal else count
        for head in range(heads):
            for row in range(end - begin):
                source = query[begin + row, head * width : (head + 1) * width]
                for index in range(width):
                    given[row, index] = source[index]
            block = memory[: (end - begin) * seen].reshape((end - begin, seen))
            score(given, panels.keys[head], key_bias, block)
            if causal:
                for row in range(end - begin):
                    scores, added = block[row], relative_bias[head, begin + row]
                    for key in range(seen):
                        scores[key] += added[key]
            mix(block, panels.values[head], mixed[begin:end, head * width : (head + 1) * width])


@compiled
def pack_keys(keys: Any, count: int, panels: Any) -> None:
    """Writes the first keys of [S, K] to [panel, K, PANEL]."""
    for key in range(count):
        for index in range(keys.shape[1]):
            panels[key // PANEL, index, key % PANEL] = keys[key, index]


@compiled
def pack_values(values: Any, count: int, panels: Any) -> None:
    """Writes the first values of [S, K] to [panel, at least S, PANEL]."""
    for key in range(count):
        for index in range(values.shape[1]):
            panels[index // PANEL, key, index % PANEL] = values[key, index]


@compiled
def score(query: Any, keys: Any, bias: Any, scores: Any) -> None:
    """Writes the products of queries [.., K] and keys in panels, plus a bias, to [rows, keys]."""
    (rows, count), width = scores.shape, query.shape[1]
    part = np.empty((TILE, PANEL), np.float32)
    for panel in range((count + PANEL - 1) // PANEL):
        begin, row = panel * PANEL, 0
        end = min(begin + PANEL, count)
        while row < rows:
            done = float_tile(keys, panel * width * PANEL, query, row, rows, width, part)
            for inside in range(done):
                given, target = part[inside], scores[row + inside, begin:end]
                added = bias[begin:end]
                for key in range(end - begin):
                    target[key] = given[key] + added[key]
            row += done


@compiled
def mix(scores: Any, values: Any, mixed: Any) -> None:
    """Writes the means of values in panels to [rows, K], weighted by the softmax of the scores."""
    (rows, count), width = scores.shape, mixed.shape[1]
    totals, part = np.empty(rows, np.float32), np.empty((TILE, PANEL), np.float32)
    for row in range(rows):
        totals[row] = exponentials(scores[row])
    for panel in range((width + PANEL - 1) // PANEL):
        begin, row = panel * PANEL, 0
        end = min(begin + PANEL, width)
        while row < rows:
            place = panel * values.shape[1] * PANEL
            done = float_tile(values, place, scores, row, rows, count, part)
            for inside in range(done):
                given, target = part[inside], mixed[row + inside, begin:end]
                factor = np.float32(1) / totals[row + inside]
                for index in range(end - begin):
                    target[index] = given[index] * factor
            row += done
