"""Tiles of products of 16-bit integers, whose sums are exact, in LLVM's language.

Processors multiply pairs of such integers and add both products in one instruction, as fast as they
multiply and add a single pair of float32.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from soundstage.kernels.vectors import (
    FLOAT,
    INDEX,
    INT32,
    LANES,
    PANEL,
    VECTORS,
    built_in,
    processor_features,
    spread,
)

INT16 = ir.IntType(16)
_WIDE, _PAIRS = ir.VectorType(INT32, LANES), ir.VectorType(INT16, 2 * LANES)
_FLOATS = ir.VectorType(FLOAT, LANES)
# BLOCK products of two LARGEST fit an int32.
LARGEST, BLOCK = 4095, 128
# By the name of a feature of processors: LLVM's name of the instruction, and whether it adds.
_INSTRUCTIONS = {
    16: {
        "avx512vnni": ("llvm.x86.avx512.vpdpwssd.512", True),
        "avx512bw": ("llvm.x86.avx512.pmaddw.d.512", False),
    },
    8: {
        "avxvnni": ("llvm.x86.avx512.vpdpwssd.256", True),
        "avx2": ("llvm.x86.avx2.pmadd.wd", False),
    },
}


@built_in
def integer_tile(
    typing_context: Any, rows: Any, layer: Any, panel: Any, first: Any, values: Any
) -> tuple[Any, Callable[..., Any]]:
    """Computes the outputs of some positions and a panel, in a compiled function.

    Args:
        typing_context: given by Numba.
        rows: number of positions, a literal.
        layer: `convolutions.Convolution`.
        panel: which panel of its outputs.
        first: the first of its positions of outputs.
        values: float32 [number], where the outputs are written, and what is added to them lies.
    """
    index = types.int64
    signature = types.void(rows, layer, index, index, values)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        def array(kind: Any, value: Any) -> Any:
            return context.make_array(kind)(context, builder, value)

        held = signature.args[1]
        fields = {
            name: array(kind, builder.extract_value(arguments[1], n))
            for n, (name, kind) in enumerate(zip(held.fields, held.types, strict=True))
        }
        data = array(signature.args[4], arguments[4]).data
        tile = _Tile(builder, fields, rows.literal_value, arguments[3])
        tile.sum_taps(arguments[2])
        tile.write(arguments[2], data)
        return context.get_dummy_value()

    return signature, generate


class _Tile:
    """Builds the code of a tile: sums of integers, and float32 sums of those.

    They are variables that LLVM keeps in registers, as far as there are enough.
    """

    def __init__(self, builder: Any, fields: dict[str, Any], rows: int, first: Any) -> None:
        self._builder, self._fields, self._rows, self._first = builder, fields, rows, first
        count = rows * VECTORS
        self._sums = [cgutils.alloca_once(builder, _WIDE) for _ in range(count)]
        self._totals = [cgutils.alloca_once(builder, _FLOATS) for _ in range(count)]
        for total in self._totals:
            builder.store(ir.Constant(_FLOATS, [0.0] * LANES), total)
        self._inputs, self._block, self._outputs = (
            self._number("sizes", INDEX(n))
            for n in range(3)  # as `convolutions` names them
        )
        self._tap_count = cgutils.unpack_tuple(builder, fields["taps"].shape)[0]

    def sum_taps(self, panel: Any) -> None:
        """Builds the sums over taps and inputs."""
        builder = self._builder
        size = builder.mul(builder.mul(self._tap_count, self._inputs), INDEX(PANEL))
        at = cgutils.alloca_once_value(builder, builder.mul(panel, size))
        under = [
            self._number("places", builder.add(self._first, INDEX(row)))
            for row in range(self._rows)
        ]
        with cgutils.for_range(builder, self._tap_count, intp=INDEX) as tap:
            offset = self._number("taps", tap.index)
            positions = [builder.add(place, offset) for place in under]
            factors = [self._number("x_scales", position) for position in positions]
            starts = [builder.mul(position, self._inputs) for position in positions]
            blocks = builder.sdiv(self._inputs, self._block)
            with cgutils.for_range(builder, blocks, intp=INDEX) as part:
                begin = builder.mul(part.index, self._block)
                self._sum_block([builder.add(start, begin) for start in starts], at)
                self._add_sums(factors)

    def write(self, panel: Any, values: Any) -> None:
        """Builds the outputs: sums times a scale, and what is added."""
        builder, y = self._builder, self._builder.gep(values, [self._number("sizes", INDEX(4))])
        column = builder.mul(panel, INDEX(PANEL))
        for row in range(self._rows):
            position = builder.add(self._first, INDEX(row))
            start = builder.add(self._number("starts", position), column)
            target = builder.add(builder.mul(position, self._outputs), column)
            for n in range(VECTORS):
                shift = INDEX(n * LANES)
                place = builder.add(column, shift)
                scale = self._floats(self._fields["scales"].data, place)
                bias = self._floats(self._fields["bias"].data, place)
                more = self._floats(values, builder.add(start, shift))
                total = builder.load(self._totals[row * VECTORS + n])
                made = builder.fadd(_fused(builder, total, scale, bias), more)
                there = builder.gep(y, [builder.add(target, shift)])
                builder.store(made, builder.bitcast(there, _FLOATS.as_pointer()), align=4)

    def _number(self, name: str, place: Any) -> Any:
        return self._builder.load(self._builder.gep(self._fields[name].data, [place]))

    def _floats(self, data: Any, place: Any) -> Any:
        there = self._builder.gep(data, [place])
        return self._builder.load(self._builder.bitcast(there, _FLOATS.as_pointer()), align=4)

    def _sum_block(self, starts: list[Any], at: Any) -> None:
        """Builds the sums of the products of a block of inputs; `at` counts the weights."""
        builder = self._builder
        for part in self._sums:
            builder.store(ir.Constant(_WIDE, [0] * LANES), part)
        values = [builder.gep(self._fields["x"].data, [start]) for start in starts]
        pairs = builder.sdiv(self._block, INDEX(2))
        with cgutils.for_range(builder, pairs, intp=INDEX) as pair:
            column = builder.gep(self._fields["weights"].data, [builder.load(at)])
            columns = []
            for n in range(VECTORS):
                there = builder.gep(column, [INDEX(2 * LANES * n)])
                columns.append(builder.load(builder.bitcast(there, _PAIRS.as_pointer()), align=2))
            builder.store(builder.add(builder.load(at), INDEX(2 * PANEL)), at)
            inside = builder.mul(pair.index, INDEX(2))
            add_pairs(builder, values, inside, columns, self._sums)

    def _add_sums(self, factors: list[Any]) -> None:
        """Builds the addition of the sums, times a factor for each row, to the float32 sums."""
        builder = self._builder
        for row, factor in enumerate(factors):
            wide = spread(builder, factor)
            for n in range(row * VECTORS, (row + 1) * VECTORS):
                sums = builder.sitofp(builder.load(self._sums[n]), _FLOATS)
                total = _fused(builder, sums, wide, builder.load(self._totals[n]))
                builder.store(total, self._totals[n])


def _fused(builder: Any, first: Any, second: Any, third: Any) -> Any:
    """Builds first * second + third, float32 [LANES] each, rounded once."""
    kind = ir.FunctionType(_FLOATS, [_FLOATS] * 3)
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.v{LANES}f32")
    return builder.call(function, [first, second, third])


@built_in
def round_inputs(
    typing_context: Any, values: Any, x: Any, begin: Any, count: Any, largest: Any
) -> tuple[Any, Callable[..., Any]]:
    """Rounds the inputs of a position to integers, in a compiled function.

    Args:
        typing_context: given by Numba.
        values: float32 [at least count, rounded up to LANES].
        x: int16 [number]; what is written.
        begin: where in x.
        count: number of inputs.
        largest: the largest integer, a literal in [1, 32767].

    Returns:
        The scale of the integers, float32.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data, x = (
            context.make_array(signature.args[n])(context, builder, arguments[n]).data
            for n in (0, 1)
        )
        rounding = _Rounding(builder, data, arguments[3], largest.literal_value)
        return rounding.write(builder.gep(x, [arguments[2]]))

    return types.float32(values, x, types.int64, types.int64, largest), generate


class _Rounding:
    """Builds the code that rounds the inputs of a position."""

    def __init__(self, builder: Any, data: Any, count: Any, most: int) -> None:
        self._builder, self._data, self._count, self._most = builder, data, count, FLOAT(most)
        last = builder.add(count, INDEX(LANES - 1))
        self._vectors = builder.sdiv(last, INDEX(LANES))

    def write(self, x: Any) -> Any:
        """Writes the integers, and returns their scale."""
        builder, name = self._builder, f"v{LANES}f32"
        largest = self._largest(name)
        some = builder.fcmp_ordered(">", largest, FLOAT(0))
        factor = builder.select(some, builder.fdiv(self._most, largest), FLOAT(0))
        wide, kind = spread(builder, factor), ir.VectorType(INT16, LANES)
        mask_kind = ir.VectorType(ir.IntType(1), LANES)
        arguments = [kind, kind.as_pointer(), INT32, mask_kind]
        store = self._function(f"llvm.masked.store.v{LANES}i16.p0", ir.VoidType(), arguments)
        nearest = self._function(f"llvm.rint.{name}", _FLOATS, [_FLOATS])
        with cgutils.for_range(builder, self._vectors, intp=INDEX) as loop:
            value, mask, place = self._load(loop.index)
            scaled = builder.call(nearest, [builder.fmul(value, wide)])
            whole = builder.trunc(builder.fptosi(scaled, _WIDE), kind)
            there = builder.bitcast(builder.gep(x, [place]), kind.as_pointer())
            builder.call(store, [whole, there, INT32(2), mask])
        return builder.fdiv(largest, self._most)

    def _largest(self, name: str) -> Any:
        """Builds the largest magnitude."""
        builder = self._builder
        held = cgutils.alloca_once_value(builder, ir.Constant(_FLOATS, [0.0] * LANES))
        magnitude = self._function(f"llvm.fabs.{name}", _FLOATS, [_FLOATS])
        with cgutils.for_range(builder, self._vectors, intp=INDEX) as loop:
            value, mask, _ = self._load(loop.index)
            size = builder.call(magnitude, [value])
            old = builder.load(held)
            more = builder.and_(mask, builder.fcmp_ordered(">", size, old))
            builder.store(builder.select(more, size, old), held)
        reduce = self._function(f"llvm.vector.reduce.fmax.{name}", FLOAT, [_FLOATS])
        return builder.call(reduce, [builder.load(held)])

    def _load(self, vector: Any) -> tuple[Any, Any, Any]:
        """Builds the next values, which of them are inputs, and the place of the first."""
        builder = self._builder
        place = builder.mul(vector, INDEX(LANES))
        there = builder.bitcast(builder.gep(self._data, [place]), _FLOATS.as_pointer())
        left = spread(builder, builder.trunc(builder.sub(self._count, place), INT32))
        lanes = ir.Constant(_WIDE, list(range(LANES)))
        return builder.load(there, align=4), builder.icmp_signed("<", lanes, left), place

    def _function(self, name: str, result: Any, arguments: list[Any]) -> Any:
        kind = ir.FunctionType(result, arguments)
        return cgutils.get_or_insert_function(self._builder.module, kind, name)


def add_pairs(
    builder: Any, rows: list[Any], place: Any, columns: list[Any], sums: list[Any]
) -> None:
    """Adds the products of a pair of inputs of every row by their weights.

    Args:
        builder: of LLVM's code.
        rows: where each row's inputs begin, int16.
        place: which of them are the pair, an even number.
        columns: int16 [LANES, 2], the weights of the pair.
        sums: int32 [LANES], where the sums of every row and column are.
    """
    for row, start in enumerate(rows):
        there = builder.bitcast(builder.gep(start, [place]), INT32.as_pointer())
        value = spread(builder, builder.load(there, align=2))
        for n, weights in enumerate(columns):
            part = sums[row * len(columns) + n]
            builder.store(_add_products(builder, builder.load(part), value, weights), part)


def _add_products(builder: Any, total: Any, value: Any, weights: Any) -> Any:
    """Adds the products of pairs of integers: int32 [LANES] x 3, weights as [LANES, 2]."""
    features, known = processor_features(), _INSTRUCTIONS.get(LANES, {})
    chosen = (one for name, one in known.items() if f"+{name}" in features)
    name, adds = next(chosen, ("", False))
    if adds:
        given = builder.bitcast(weights, _WIDE)
        kind = ir.FunctionType(_WIDE, [_WIDE] * 3)
        function = cgutils.get_or_insert_function(builder.module, kind, name)
        return builder.call(function, [total, value, given])
    values = builder.bitcast(value, _PAIRS)
    if name:
        kind = ir.FunctionType(_WIDE, [_PAIRS] * 2)
        function = cgutils.get_or_insert_function(builder.module, kind, name)
        return builder.add(total, builder.call(function, [values, weights]))
    for place in range(2):
        mask = ir.Constant(_WIDE, [2 * lane + place for lane in range(LANES)])
        pair = (
            builder.sext(builder.shuffle_vector(part, part, mask), _WIDE)
            for part in (values, weights)
        )
        total = builder.add(total, builder.mul(*pair))
    return total
