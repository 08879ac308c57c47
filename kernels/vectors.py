"""What Numba's language lacks, written in LLVM's: tiles of products, and waiting between threads.

Vectors have the width of this processor's registers. A sum runs over the inputs in their order,
one fused multiply-add after another, so it does not depend on that width.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, cast

import numba
import numpy as np
from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

INDEX, INT32, FLOAT = ir.IntType(64), ir.IntType(32), ir.FloatType()
VECTORS = 4  # a panel is so many vectors wide


def processor_features() -> set[str]:
    """Returns the features of the processor, such as "+avx2".

    The processor is this one, or that of Numba's own variables NUMBA_CPU_NAME and
    NUMBA_CPU_FEATURES.
    """
    settings: Any = numba.config
    given: str | None = settings.CPU_FEATURES
    here = binding.get_host_cpu_features().flatten() if given is None else given
    return set(here.split(","))


def vector_lanes() -> int:
    """Returns the number of float32 values in a register: 16, 8 or 4."""
    features = processor_features()
    if "+avx512f" in features:
        return 16
    return 8 if {"+avx2", "+fma"} <= features else 4


LANES = vector_lanes()
# Columns of a panel, and the most rows of a tile: their sums stay in registers. Processors with
# AVX2 have 16 vector registers, the others 32.
PANEL, TILE = VECTORS * LANES, 2 if LANES == 8 else 4
_VECTOR = ir.VectorType(FLOAT, LANES)


def built_in(function: Callable[..., Any]) -> Callable[..., Any]:
    """Makes a function that builds code one that compiled functions call; literals stay known."""
    return cast(Callable[..., Any], intrinsic(prefer_literal=True)(function))


@built_in
def tile_product(
    typing_context: Any,
    rows: Any,
    weights: Any,
    place: Any,
    x: Any,
    row: Any,
    inner: Any,
    y: Any,
) -> tuple[Any, Callable[..., Any]]:
    """Multiplies some rows of x by a panel, in a compiled function.

    Args:
        typing_context: given by Numba.
        rows: number of rows, a literal.
        weights: an array of any shape, the bytes of float32; or uint16, the upper halves of
            float32 (bfloat16), as `pair_halves` arranges them.
        place: where the panel, [inner, PANEL], begins, counted in weights.
        x: float32 [row, inner].
        row: the first row.
        inner: inputs, > 0.
        y: float32 [rows, PANEL]; what is written.
    """
    count, index = rows.literal_value, types.int64
    load = _halves if weights.dtype == types.uint16 else _columns
    signature = types.void(rows, weights, index, x, index, index, y)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        weights, x, y = (
            context.make_array(signature.args[n])(context, builder, arguments[n]).data
            for n in (1, 3, 6)
        )
        place, row, inner = arguments[2], arguments[4], arguments[5]
        if load is _columns:
            weights = builder.bitcast(weights, FLOAT.as_pointer())
        panel = builder.gep(weights, [place])
        first = builder.gep(x, [builder.mul(row, inner)])
        for at, vector in enumerate(_sums(builder, count, panel, first, inner, load)):
            there = builder.gep(y, [INDEX(at * LANES)])
            builder.store(vector, builder.bitcast(there, _VECTOR.as_pointer()), align=4)
        return context.get_dummy_value()

    return signature, generate


def _sums(
    builder: Any, rows: int, weights: Any, x: Any, inner: Any, load: Callable[..., list[Any]]
) -> list[Any]:
    """Builds the loop over the inputs; returns the sums, `VECTORS` for each row."""
    before = builder.block
    loop, behind = builder.append_basic_block("inputs"), builder.append_basic_block("sums")
    builder.branch(loop)
    builder.position_at_end(loop)
    at = builder.phi(INDEX)
    at.add_incoming(INDEX(0), before)
    totals = [builder.phi(_VECTOR) for _ in range(rows * VECTORS)]
    columns = load(builder, weights, builder.mul(at, INDEX(PANEL)))
    fused = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(_VECTOR, [_VECTOR] * 3), f"llvm.fma.v{LANES}f32"
    )
    sums = []
    for row in range(rows):
        place = builder.add(builder.mul(inner, INDEX(row)), at)
        value = spread(builder, builder.load(builder.gep(x, [place])))
        sums += [
            builder.call(fused, [value, column, totals[row * VECTORS + n]])
            for n, column in enumerate(columns)
        ]
    following = builder.add(at, INDEX(1))
    at.add_incoming(following, loop)
    for total, new in zip(totals, sums, strict=True):
        total.add_incoming(ir.Constant(_VECTOR, [0.0] * LANES), before)
        total.add_incoming(new, loop)
    builder.cbranch(builder.icmp_signed("<", following, inner), loop, behind)
    builder.position_at_end(behind)
    return sums


def _columns(builder: Any, weights: Any, place: Any) -> list[Any]:
    """Loads the weights of an input."""
    columns = []
    for vector in range(VECTORS):
        there = builder.gep(weights, [builder.add(place, INDEX(vector * LANES))])
        columns.append(builder.load(builder.bitcast(there, _VECTOR.as_pointer()), align=4))
    return columns


def _halves(builder: Any, weights: Any, place: Any) -> list[Any]:
    """Loads the weights of an input, two vectors at a time; see `pair_halves`."""
    wide, columns = ir.VectorType(INT32, LANES), []
    shift, upper = (ir.Constant(wide, [number] * LANES) for number in (16, 0xFFFF0000))
    for pair in range(VECTORS // 2):
        there = builder.gep(weights, [builder.add(place, INDEX(pair * 2 * LANES))])
        both = builder.load(builder.bitcast(there, wide.as_pointer()), align=2)
        columns += [builder.shl(both, shift), builder.and_(both, upper)]
    return [builder.bitcast(column, _VECTOR) for column in columns]


def pair_halves(panels: np.ndarray) -> np.ndarray:
    """Arranges panels of uint16 [.., PANEL] so that two vectors can be read as one.

    A number of 32 bits holds a column in its lower half, and in its upper half the one that lies
    `LANES` behind it.
    """
    pairs = panels.reshape(*panels.shape[:-1], VECTORS // 2, 2, LANES)
    return np.ascontiguousarray(pairs.swapaxes(-2, -1)).reshape(panels.shape)


def spread(builder: Any, value: Any) -> Any:
    """Returns a vector of `LANES` times the same value."""
    empty = ir.Constant(ir.VectorType(value.type, LANES), ir.Undefined)
    single = builder.insert_element(empty, value, INT32(0))
    zeros = ir.Constant(ir.VectorType(INT32, LANES), [0] * LANES)
    return builder.shuffle_vector(single, empty, zeros)


@built_in
def count_up(typing_context: Any, counter: Any) -> tuple[Any, Callable[..., Any]]:
    """Adds 1 to counter, int64 [1], seen by all threads; returns its value before."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        return builder.atomic_rmw("add", array.data, INDEX(1), "acq_rel")

    return types.int64(counter), generate


@built_in
def counted(typing_context: Any, counter: Any) -> tuple[Any, Callable[..., Any]]:
    """Returns the value of counter, int64 [1], that other threads change."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        return builder.load_atomic(array.data, "acquire", 8)

    return types.int64(counter), generate


@built_in
def leave_core(typing_context: Any) -> tuple[Any, Callable[..., Any]]:
    """Lets another thread run on this core, by a function of the system's library."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        name = "SwitchToThread" if sys.platform == "win32" else "sched_yield"
        function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(INT32, []), name)
        builder.call(function, [])
        return context.get_dummy_value()

    return types.void(), generate
