"""Tiles of products of rows of 16-bit integers by weights of 8 bits, in LLVM's language.

The weights are widened to 16 bits in registers. The products of `BLOCK` inputs are summed as
integers, which is exact, and those sums in float32.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from soundstage.kernels.integer_tiles import INT16, add_pairs
from soundstage.kernels.vectors import FLOAT, INDEX, INT32, LANES, PANEL, VECTORS, built_in, spread

# Of an input and of a weight. BLOCK products of both fit an int32.
LARGEST, LARGEST_WEIGHT, BLOCK = 32767, 127, 512
_INT8 = ir.IntType(8)
_SUMS, _FLOATS = ir.VectorType(INT32, LANES), ir.VectorType(FLOAT, LANES)
_STORED, _PAIRS = ir.VectorType(_INT8, 2 * LANES), ir.VectorType(INT16, 2 * LANES)


@built_in
def eight_bit_tile(
    typing_context: Any,
    rows: Any,
    weights: Any,
    place: Any,
    x: Any,
    row: Any,
    inner: Any,
    scales: Any,
    y: Any,
) -> tuple[Any, Callable[..., Any]]:
    """Multiplies some rows by a panel, in a compiled function.

    Args:
        typing_context: given by Numba.
        rows: number of rows, a literal.
        weights: uint8 [byte], the bytes of int8.
        place: where the panel, [pair of inputs, PANEL, 2], begins.
        x: int16 [row * inner], of at most `LARGEST`.
        row: the first row.
        inner: inputs, an even number > 0.
        scales: float32 [row], by which the rows are multiplied.
        y: float32 [rows, PANEL]; what is written.
    """
    index = types.int64
    signature = types.void(rows, weights, index, x, index, index, scales, y)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        panel, given, factors, made = (
            context.make_array(signature.args[n])(context, builder, arguments[n]).data
            for n in (1, 3, 6, 7)
        )
        row, inner = arguments[4], arguments[5]
        tile = _EightBitTile(builder, rows.literal_value)
        panel = builder.gep(panel, [arguments[2]])
        tile.multiply(panel, builder.gep(given, [builder.mul(row, inner)]), inner)
        tile.write(builder.gep(factors, [row]), made)
        return context.get_dummy_value()

    return signature, generate


class _EightBitTile:
    """Builds the code of a tile; its sums are variables that LLVM keeps in registers."""

    def __init__(self, builder: Any, rows: int) -> None:
        self._builder, self._rows = builder, rows
        count = rows * VECTORS
        self._sums = [cgutils.alloca_once(builder, _SUMS) for _ in range(count)]
        self._totals = [cgutils.alloca_once(builder, _FLOATS) for _ in range(count)]

    def multiply(self, weights: Any, x: Any, inner: Any) -> None:
        """Builds the sums over all inputs."""
        builder = self._builder
        for total in self._totals:
            builder.store(ir.Constant(_FLOATS, [0.0] * LANES), total)
        starts = [builder.gep(x, [builder.mul(inner, INDEX(row))]) for row in range(self._rows)]
        blocks = builder.sdiv(builder.add(inner, INDEX(BLOCK - 1)), INDEX(BLOCK))
        with cgutils.for_range(builder, blocks, intp=INDEX) as block:
            begin = builder.mul(block.index, INDEX(BLOCK))
            left = builder.sub(inner, begin)
            whole = builder.icmp_signed(">", left, INDEX(BLOCK))
            count = builder.select(whole, INDEX(BLOCK), left)
            there = builder.gep(weights, [builder.mul(begin, INDEX(PANEL))])
            self._sum_block(there, [builder.gep(start, [begin]) for start in starts], count)

    def _sum_block(self, weights: Any, starts: list[Any], count: Any) -> None:
        builder = self._builder
        for part in self._sums:
            builder.store(ir.Constant(_SUMS, [0] * LANES), part)
        pairs = builder.sdiv(count, INDEX(2))
        with cgutils.for_range(builder, pairs, intp=INDEX) as pair:
            columns = self._columns(weights, pair.index)
            inside = builder.mul(pair.index, INDEX(2))
            add_pairs(builder, starts, inside, columns, self._sums)
        for part, total in zip(self._sums, self._totals, strict=True):
            sums = builder.sitofp(builder.load(part), _FLOATS)
            builder.store(builder.fadd(builder.load(total), sums), total)

    def _columns(self, weights: Any, pair: Any) -> list[Any]:
        """Loads the weights of a pair of inputs, widened to 16 bits."""
        builder, columns = self._builder, []
        first = builder.mul(pair, INDEX(2 * PANEL))
        for n in range(VECTORS):
            there = builder.gep(weights, [builder.add(first, INDEX(2 * LANES * n))])
            stored = builder.load(builder.bitcast(there, _STORED.as_pointer()), align=1)
            columns.append(builder.sext(stored, _PAIRS))
        return columns

    def write(self, scales: Any, y: Any) -> None:
        """Builds the outputs: sums times the scale of their row."""
        builder = self._builder
        for row in range(self._rows):
            scale = spread(builder, builder.load(builder.gep(scales, [INDEX(row)])))
            for n in range(VECTORS):
                made = builder.fmul(builder.load(self._totals[row * VECTORS + n]), scale)
                there = builder.gep(y, [INDEX(row * PANEL + n * LANES)])
                builder.store(made, builder.bitcast(there, _FLOATS.as_pointer()), align=4)
