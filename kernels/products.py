"""Products of rows with packed weights, in float32 or in integers.

Weights lie in panels, the columns that fit a processor's registers: each is read from its first
byte to its last. Weights of bfloat16 are widened to float32 in registers. Those of 8 bits meet rows
that are rounded to 16 bits. A row's result does not depend on the other rows, bit for bit, nor on
the thread that computes it.

Letters in shapes: N matrices of one shape, B rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal, NamedTuple, TypeAlias

import jax.numpy as jnp
import numpy as np

from soundstage.kernels.compiled import compiled
from soundstage.kernels.eight_bit_tiles import LARGEST, LARGEST_WEIGHT, eight_bit_tile
from soundstage.kernels.integer_tiles import round_inputs
from soundstage.kernels.team import share
from soundstage.kernels.vectors import LANES, PANEL, TILE, pair_halves, tile_product

# The most rows of a tile of 8-bit weights, whose sums stay in registers; at least `TILE`.
MOST_ROWS = 2 if LANES == 8 else 6

# In which numbers weights are packed.
WeightType = Literal["float32", "bfloat16", "int8"]
BYTES: dict[WeightType, int] = {"float32": 4, "bfloat16": 2, "int8": 1}


class Matrix(NamedTuple):
    """Packed matrices of one shape.

    One type serves all forms of weights, so that programs are compiled once.

    Attributes:
        weights: uint8 [N, byte], the bytes of [panel, in, PANEL] in float32 or, as `pair_halves`
            arranges them, in bfloat16, or of [panel, pair of inputs, PANEL, 2] in int8.
        scales: float32 [N, out], by which outputs are multiplied.
        sizes: int64 [3]: inputs, in int8 with the zeros that make their number even; outputs; and
            the bytes of a weight.
    """

    weights: np.ndarray
    scales: np.ndarray
    sizes: np.ndarray


# Packs matrices, float32 [in, ...] each, in one form.
Pack: TypeAlias = Callable[[Iterable[np.ndarray]], Matrix]


def packed(kernels: Iterable[np.ndarray], dtype: WeightType) -> Matrix:
    """Packs matrices.

    Args:
        kernels: float32 [in, ...] each; at least one.
        dtype: to which weights are rounded: "bfloat16" to the nearest; "int8" with a scale an
            output, of which the largest weight becomes 127.
    """
    matrices = (kernel.reshape(len(kernel), -1) for kernel in kernels)
    if dtype == "int8":
        forms = [_packed_in_8_bits(matrix) for matrix in matrices]
    else:
        forms = [_packed(matrix, dtype == "bfloat16") for matrix in matrices]
    weights, scales = (np.stack(parts) for parts in zip(*forms, strict=True))
    outer, size = scales.shape[1], BYTES[dtype]
    wide = -(-outer // PANEL) * PANEL
    return Matrix(weights, scales, np.array([weights.shape[1] // (wide * size), outer, size]))


def _packed(kernel: np.ndarray, halves: bool) -> tuple[np.ndarray, np.ndarray]:
    """Packs a matrix in float32, or in its upper halves: panels [in, PANEL]."""
    inner, outer = kernel.shape
    wide = np.zeros((inner, -(-outer // PANEL) * PANEL), np.float32)
    wide[:, :outer] = kernel
    panels = np.ascontiguousarray(wide.reshape(inner, -1, PANEL).swapaxes(0, 1))
    if halves:
        panels = pair_halves(panels.astype(jnp.bfloat16).view(np.uint16))
    return panels.reshape(-1).view(np.uint8), np.ones(outer, np.float32)


def _packed_in_8_bits(kernel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Packs a matrix in 8 bits: panels [pair of inputs, PANEL, 2]; zeros make their number even."""
    inner, outer = kernel.shape
    largest = np.abs(kernel).max(axis=0) / np.float32(LARGEST_WEIGHT)
    scale = np.maximum(largest, np.finfo(np.float32).tiny)
    wide = np.zeros((inner + inner % 2, -(-outer // PANEL) * PANEL), np.int8)
    wide[:inner, :outer] = np.round(kernel / scale)
    pairs = wide.reshape(len(wide) // 2, 2, -1, PANEL).transpose(2, 0, 3, 1)
    return np.ascontiguousarray(pairs).reshape(-1).view(np.uint8), scale


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
    outer, in_8_bits, in_16_bits = matrix.sizes[1], matrix.sizes[2] == 1, matrix.sizes[2] == 2
    first, last = panel_share(member, matrix)
    weights = matrix.weights[index]
    halves = weights.view(np.uint16)
    part, scales = np.empty((MOST_ROWS, PANEL), np.float32), matrix.scales[index]
    rounded, factors = _rounded(x, matrix.sizes[0]) if in_8_bits else _nothing()
    for panel in range(first, last):
        begin, row = panel * PANEL, 0
        end, place = min(begin + PANEL, outer), matrix.sizes[0] * begin
        while row < x.shape[0]:
            if in_8_bits:
                done = _integer_tile(matrix, index, panel, rounded, factors, row, part)
            elif in_16_bits:
                done = float_tile(halves, place, x, row, x.shape[0], matrix.sizes[0], part)
            else:
                done = float_tile(weights, place, x, row, x.shape[0], matrix.sizes[0], part)
            for inside in range(done):
                write(part[inside], scales[begin:end], y[row + inside, begin:end], add)
            row += done


@compiled
def write(values: Any, factors: Any, y: Any, add: bool) -> None:
    """Writes values times factors to y [out], or adds them."""
    # Indices from 0 on: with others Numba asks whether they are negative, and loops are slow.
    if add:
        for index in range(y.shape[0]):
            y[index] += values[index] * factors[index]
    else:
        for index in range(y.shape[0]):
            y[index] = values[index] * factors[index]


@compiled
def _nothing() -> tuple[Any, Any]:
    return np.empty(0, np.int16), np.empty(0, np.float32)


@compiled
def _rounded(x: Any, wide: int) -> tuple[Any, Any]:
    """Rounds rows to integers of 16 bits with a scale a row: int16 [B * wide], float32 [B]."""
    rows, inner = x.shape
    rounded, scales = np.zeros(rows * wide, np.int16), np.empty(rows, np.float32)
    given = np.empty(inner + LANES, np.float32)
    for row in range(rows):
        for index in range(inner):
            given[index] = x[row, index]
        scales[row] = round_inputs(given, rounded, row * wide, inner, LARGEST)
    return rounded, scales


@compiled
def float_tile(weights: Any, place: int, x: Any, row: int, rows: int, inner: int, part: Any) -> int:
    """Multiplies the next rows by a panel of float32 or bfloat16; returns how many they were.

    Args:
        weights: as `tile_product` takes them.
        place: where the panel, [inner, PANEL], begins, counted in weights.
        x: float32 [rows, inner], contiguous.
        row: the first of these rows.
        rows: of x.
        inner: inputs, > 0.
        part: float32 [at least 4, PANEL]; what is written.
    """
    if TILE == 4 and rows - row >= 4:
        tile_product(4, weights, place, x, row, inner, part)
        return 4
    if rows - row >= 2:
        tile_product(2, weights, place, x, row, inner, part)
        return 2
    tile_product(1, weights, place, x, row, inner, part)
    return 1


@compiled
def _integer_tile(
    matrix: Any, index: int, panel: int, x: Any, scales: Any, row: int, part: Any
) -> int:
    """Multiplies the next rows by a panel of 8 bits; returns how many they were."""
    inner, weights, left = matrix.sizes[0], matrix.weights[index], scales.shape[0] - row
    place = panel * inner * PANEL
    # Seven and eight rows are as fast in two tiles of 4 rows as in one of 6 and a small one.
    if MOST_ROWS == 6 and (left == 6 or left > 8):
        eight_bit_tile(6, weights, place, x, row, inner, scales, part)
        return 6
    if MOST_ROWS == 6 and left >= 4:
        eight_bit_tile(4, weights, place, x, row, inner, scales, part)
        return 4
    if left >= 2:
        eight_bit_tile(2, weights, place, x, row, inner, scales, part)
        return 2
    eight_bit_tile(1, weights, place, x, row, inner, scales, part)
    return 1
