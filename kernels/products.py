"""Products of few rows with packed weights.

Weights lie in panels, the columns that fit a processor's registers: each is read once, from its
first byte to its last, for up to 16 rows. A row's result does not depend on the other rows, bit for
bit, nor on the thread that computes it.

Letters in shapes: N matrices of one shape, B rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from soundstage.kernels.compiled import compiled
from soundstage.kernels.team import share
from soundstage.kernels.vectors import PANEL, TILE, tile_product

LARGEST = 127


class Matrix(NamedTuple):
    """Packed matrices of one shape.

    One type serves all forms of weights, so that programs are compiled once.

    Attributes:
        weights: uint8 [N, byte], the bytes of [panel, in, PANEL] in float32 or int8.
        scales: float32 [N, out], by which outputs are multiplied.
        sizes: int64 [3]: inputs, outputs, and the bytes of a weight.
    """

    weights: np.ndarray
    scales: np.ndarray
    sizes: np.ndarray


# Packs matrices, float32 [in, ...] each, in one form.
Pack: TypeAlias = Callable[[Iterable[np.ndarray]], Matrix]


def packed(kernels: Iterable[np.ndarray], in_8_bits: bool) -> Matrix:
    """Packs matrices.

    Args:
        kernels: float32 [in, ...] each; at least one.
        in_8_bits: whether weights are rounded to 8 bits with a scale an output, of which the
            largest weight becomes 127.
    """
    forms = [_packed(kernel.reshape(len(kernel), -1), in_8_bits) for kernel in kernels]
    weights, scales = (np.stack(parts) for parts in zip(*forms, strict=True))
    outer, size = scales.shape[1], 1 if in_8_bits else 4
    wide = -(-outer // PANEL) * PANEL
    return Matrix(weights, scales, np.array([weights.shape[1] // (wide * size), outer, size]))


def _packed(kernel: np.ndarray, in_8_bits: bool) -> tuple[np.ndarray, np.ndarray]:
    scale = np.ones(kernel.shape[1], np.float32)
    if in_8_bits:
        largest = np.abs(kernel).max(axis=0) / np.float32(LARGEST)
        scale = np.maximum(largest, np.finfo(np.float32).tiny)
    inner, outer = kernel.shape
    wide = np.zeros((inner, -(-outer // PANEL) * PANEL), np.int8 if in_8_bits else np.float32)
    wide[:, :outer] = np.round(kernel / scale) if in_8_bits else kernel
    panels = np.ascontiguousarray(wide.reshape(inner, -1, PANEL).swapaxes(0, 1))
    return panels.reshape(-1).view(np.uint8), scale


@compiled
def panel_share(member: Any, matrix: Any) -> tuple[int, int]:
    """Returns the first panel of this thread and one more than its last."""
    return share(member, (matrix.sizes[1] + PANEL - 1) // PANEL)


@compiled
def multiply(member: Any, matrix: Any, index: int, x: Any, y: Any, add: bool) -> None:
    """Writes this thread's columns of a product to y, or adds them.

    Args:
        member: this thread.
        matrix: `Matrix`.
        index: which of the matrices.
        x: float32 [B, in], contiguous.
        y: float32 [B, out].
        add: whether the product is added to what y holds.
    """
    outer = matrix.sizes[1]
    first, last = panel_share(member, matrix)
    part, scales = np.empty((TILE, PANEL), np.float32), matrix.scales[index]
    for panel in range(first, last):
        begin, row = panel * PANEL, 0
        end = min(begin + PANEL, outer)
        while row < x.shape[0]:
            done = _tile(matrix, index, panel, x, row, part)
            for inside in range(done):
                if add:
                    for column in range(begin, end):
                        y[row + inside, column] += part[inside, column - begin] * scales[column]
                else:
                    for column in range(begin, end):
                        y[row + inside, column] = part[inside, column - begin] * scales[column]
            row += done


@compiled
def _tile(matrix: Any, index: int, panel: int, x: Any, row: int, part: Any) -> int:
    """Multiplies the next rows by a panel; returns how many they were."""
    inner, weights, left = matrix.sizes[0], matrix.weights[index], x.shape[0] - row
    place = panel * inner * PANEL
    if matrix.sizes[2] == 4:
        if TILE == 4 and left >= 4:
            tile_product(4, 4, weights, place, x, row, inner, part)
            return 4
        if left >= 2:
            tile_product(2, 4, weights, place, x, row, inner, part)
            return 2
        tile_product(1, 4, weights, place, x, row, inner, part)
        return 1
    if TILE == 4 and left >= 4:
        tile_product(4, 1, weights, place, x, row, inner, part)
        return 4
    if left >= 2:
        tile_product(2, 1, weights, place, x, row, inner, part)
        return 2
    tile_product(1, 1, weights, place, x, row, inner, part)
    return 1
