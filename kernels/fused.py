"""Parts of a decoder that makes one step after another, as one kernel each, for GPUs.

A step multiplies few rows by large weights. On a GPU it takes the time to read the weights and to
launch its kernels, and XLA makes eleven kernels of a layer. These functions make five: norm with
queries, keys and values; attention with its cache; an output product with its sum; norm with a
gated product; the last product with its sum. They are written in Pallas and compiled by Triton. On
a processor they are interpreted, for tests.

Letters in shapes: R rows, padded to `padded_rows`; B rows that are used; D and N widths; H heads;
K head width; T time. Widths are multiples of 16. All kernels of a call have the type in which
activations are rounded: float32 or bfloat16. Sums are float32.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton

# The least sides of a product on tensor cores.
TILE = 16
# Numbers of a sum that one turn of a loop adds, and positions that attention reads at once.
MOST_TERMS, MOST_POSITIONS = 128, 128
EPSILON = 1e-6
NO_SCORE = -3e38
HIGHEST = jax.lax.Precision.HIGHEST
# Makes a kernel's outputs of its products.
Finish = Callable[[list[jax.Array]], list[jax.Array]]


def padded_rows(rows: int) -> int:
    """Returns how many rows the functions of this module want for so many."""
    return max(TILE, 1 << (rows - 1).bit_length())


def check_width(name: str, width: int) -> None:
    """Refuses a width that these kernels cannot divide.

    Raises:
        ValueError: names the width.
    """
    if width % TILE:
        raise ValueError(f"{name} = {width} is no multiple of {TILE}, which fused products need")


def norm_products(
    x: jax.Array, scale: jax.Array, kernels: Sequence[jax.Array], *, interpret: bool = False
) -> list[jax.Array]:
    """Normalises rows by their root mean square, and multiplies them by matrices.

    Args:
        x: float32 [R, D].
        scale: [D], of the norm.
        kernels: matrices [D, N].
        interpret: whether the kernel is interpreted, on a processor.

    Returns:
        [R, N] for each matrix, in its type.
    """
    return _norm_products(x, scale, kernels, len(kernels), _as_they_are, interpret)


def norm_gated(
    x: jax.Array, scale: jax.Array, gate: jax.Array, value: jax.Array, *, interpret: bool = False
) -> jax.Array:
    """Normalises rows, and returns `gelu(x gate) * (x value)`, gelu in its tanh form.

    Args:
        x: float32 [R, D].
        scale: [D], of the norm.
        gate: [D, N].
        value: [D, N].
        interpret: whether the kernel is interpreted, on a processor.

    Returns:
        [R, N] in the matrices' type.
    """
    return _norm_products(x, scale, (gate, value), 1, _gated, interpret)[0]


def product_sum(
    x: jax.Array, kernel: jax.Array, summand: jax.Array, *, interpret: bool = False
) -> jax.Array:
    """Returns `summand + x kernel`; the product is rounded to the kernel's type first.

    Args:
        x: [R, N] in the kernel's type.
        kernel: [N, D].
        summand: float32 [R, D].
        interpret: whether the kernel is interpreted, on a processor.

    Returns:
        float32 [R, D].
    """
    rows, inner = x.shape
    outer = kernel.shape[1]
    tile = pl.BlockSpec((rows, TILE), lambda column: (0, column))
    return pl.pallas_call(
        partial(_product_sum_kernel, terms=_terms(inner)),
        out_shape=jax.ShapeDtypeStruct((rows, outer), jnp.float32),
        grid=(outer // TILE,),
        in_specs=[_whole(x), pl.BlockSpec((inner, TILE), lambda column: (0, column)), tile],
        out_specs=tile,
        interpret=interpret,
        compiler_params=_pipelined(),
        name="product_sum",
    )(x, kernel, summand)


def attend(
    query: jax.Array,
    keys: jax.Array,
    values: jax.Array,
    bias: jax.Array,
    *,
    interpret: bool = False,
) -> jax.Array:
    """Attends from one position of each row to all positions that are known.

    Args:
        query: [R, H * K].
        keys: [B, H, T, K].
        values: [B, H, T, K].
        bias: [1 or B, 1 or H, T], added to the scores.
        interpret: whether the kernel is interpreted, on a processor.

    Returns:
        [R, H * K] in the query's type; rows from B on hold anything.
    """
    rows, heads, _, width = keys.shape
    seen = [_of_head(keys), _of_head(values), _bias_of_head(bias)]
    one = pl.BlockSpec((1, width), lambda row, head: (row, head))
    return pl.pallas_call(
        _attend_kernel,
        out_shape=jax.ShapeDtypeStruct(query.shape, query.dtype),
        grid=(rows, heads),
        in_specs=[one, *seen],
        out_specs=one,
        interpret=interpret,
        compiler_params=_pipelined(),
        name="attend",
    )(query, keys, values, bias)


def attend_and_keep(
    query: jax.Array,
    key: jax.Array,
    value: jax.Array,
    keys: jax.Array,
    values: jax.Array,
    bias: jax.Array,
    position: jax.Array,
    *,
    interpret: bool = False,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Attends from one new position of each row to itself and to all before it, and keeps it.

    Args:
        query: [R, H * K].
        key: [R, H * K], of the new position.
        value: [R, H * K], of the new position.
        keys: [B, H, T, K], of the positions before it; those after it may hold anything. They are
            overwritten.
        values: [B, H, T, K], likewise.
        bias: [1 or B, 1 or H, T], added to the scores.
        position: int32 [], the index of the new position.
        interpret: whether the kernel is interpreted, on a processor.

    Returns:
        [R, H * K] in the query's type, of which rows from B on hold anything; keys and values with
        the new position.
    """
    rows, heads, _, width = keys.shape
    one = pl.BlockSpec((1, width), lambda row, head: (row, head))
    arguments = (jnp.reshape(position, 1).astype(jnp.int32), query, key, value, keys, values, bias)
    seen = [_of_head(keys), _of_head(values), _bias_of_head(bias)]
    mixed, keys, values = pl.pallas_call(
        _attend_and_keep_kernel,
        out_shape=[jax.ShapeDtypeStruct(like.shape, like.dtype) for like in (query, keys, values)],
        grid=(rows, heads),
        in_specs=[pl.BlockSpec((1,), lambda row, head: (0,)), one, one, one, *seen],
        out_specs=[one, *seen[:2]],
        input_output_aliases={4: 1, 5: 2},
        interpret=interpret,
        compiler_params=_pipelined(),
        name="attend_and_keep",
    )(*arguments)
    return mixed, keys, values


def _norm_products(
    x: jax.Array,
    scale: jax.Array,
    kernels: Sequence[jax.Array],
    outputs: int,
    finish: Finish,
    interpret: bool,
) -> list[jax.Array]:
    rows, inner = x.shape
    outer, dtype = kernels[0].shape[1], kernels[0].dtype
    columns = [pl.BlockSpec((inner, TILE), lambda column: (0, column)) for _ in kernels]
    return pl.pallas_call(
        partial(_norm_products_kernel, matrices=len(kernels), terms=_terms(inner), finish=finish),
        out_shape=[jax.ShapeDtypeStruct((rows, outer), dtype)] * outputs,
        grid=(outer // TILE,),
        in_specs=[_whole(x), _whole(scale), *columns],
        out_specs=[pl.BlockSpec((rows, TILE), lambda column: (0, column))] * outputs,
        interpret=interpret,
        compiler_params=_pipelined(),
        name="norm_products",
    )(x, scale, *kernels)


def _norm_products_kernel(
    x_ref: Any, scale_ref: Any, *refs: Any, matrices: int, terms: int, finish: Finish
) -> None:
    rows, inner = x_ref.shape
    kernels, outputs = refs[:matrices], refs[matrices:]
    dtype = kernels[0].dtype

    def squares(turn: jax.Array, total: jax.Array) -> jax.Array:
        part = x_ref[:, pl.ds(turn * terms, terms)]
        return total + jnp.sum(part * part, axis=1)

    total = jax.lax.fori_loop(0, inner // terms, squares, jnp.zeros(rows, jnp.float32))
    factor = jax.lax.rsqrt(total / inner + EPSILON)[:, None]

    def products(turn: jax.Array, sums: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        these = pl.ds(turn * terms, terms)
        normed = (x_ref[:, these] * factor).astype(dtype)
        normed = normed * scale_ref[these].astype(dtype)[None]
        return tuple(
            total + _dot(normed, kernel[these, :])
            for total, kernel in zip(sums, kernels, strict=True)
        )

    start = tuple(jnp.zeros((rows, TILE), jnp.float32) for _ in kernels)
    sums = jax.lax.fori_loop(0, inner // terms, products, start)
    for output, result in zip(outputs, finish([each.astype(dtype) for each in sums]), strict=True):
        output[...] = result


def _as_they_are(products: list[jax.Array]) -> list[jax.Array]:
    return products


def _gated(products: list[jax.Array]) -> list[jax.Array]:
    gate, value = products
    gelu = jax.nn.gelu(gate.astype(jnp.float32), approximate=True)
    return [gelu.astype(value.dtype) * value]


def _product_sum_kernel(
    x_ref: Any, kernel_ref: Any, summand_ref: Any, output: Any, *, terms: int
) -> None:
    rows, inner = x_ref.shape

    def products(turn: jax.Array, total: jax.Array) -> jax.Array:
        these = pl.ds(turn * terms, terms)
        return total + _dot(x_ref[:, these], kernel_ref[these, :])

    total = jax.lax.fori_loop(0, inner // terms, products, jnp.zeros((rows, TILE), jnp.float32))
    output[...] = summand_ref[...] + total.astype(kernel_ref.dtype).astype(jnp.float32)


class _Mixed(NamedTuple):
    """Values that are weighted by the exponentials of scores so far.

    Attributes:
        highest: float32 [], the highest score.
        weights: float32 [], the sum of the weights, which are 1 at the highest score.
        values: float32 [K], the weighted sum of the values.
    """

    highest: jax.Array
    weights: jax.Array
    values: jax.Array

    def result(self) -> jax.Array:
        """Returns the weighted mean, float32 [1, K]."""
        return (self.values / self.weights)[None]


def _attend_kernel(
    query_ref: Any, keys_ref: Any, values_ref: Any, bias_ref: Any, mixed_ref: Any
) -> None:
    query = query_ref[0].astype(jnp.float32)
    nothing = _Mixed(jnp.float32(NO_SCORE), jnp.float32(0), jnp.zeros_like(query))
    mixed = _mix(query, keys_ref, values_ref, bias_ref, None, nothing)
    mixed_ref[...] = mixed.result().astype(mixed_ref.dtype)


def _attend_and_keep_kernel(
    position_ref: Any,
    query_ref: Any,
    key_ref: Any,
    value_ref: Any,
    keys_ref: Any,
    values_ref: Any,
    bias_ref: Any,
    mixed_ref: Any,
    new_keys_ref: Any,
    new_values_ref: Any,
) -> None:
    position, query = position_ref[0], query_ref[0].astype(jnp.float32)
    key, value = key_ref[...], value_ref[...]
    own = jnp.sum(query * key[0].astype(jnp.float32)) + bias_ref[0, 0, position].astype(jnp.float32)
    # The new position is taken from here: what this kernel writes, it does not read again.
    start = _Mixed(own, jnp.float32(1), value[0].astype(jnp.float32))
    mixed = _mix(query, keys_ref, values_ref, bias_ref, position, start)
    mixed_ref[...] = mixed.result().astype(mixed_ref.dtype)
    new_keys_ref[0, 0, pl.ds(position, 1), :] = key
    new_values_ref[0, 0, pl.ds(position, 1), :] = value


def _mix(
    query: jax.Array,
    keys_ref: Any,
    values_ref: Any,
    bias_ref: Any,
    before: jax.Array | None,
    start: _Mixed,
) -> _Mixed:
    """Adds the values of all positions, or of those before one; the others may hold anything."""
    time = keys_ref.shape[2]
    positions = _power_of_2(min(time, MOST_POSITIONS))

    def turn(number: jax.Array, mixed: _Mixed) -> _Mixed:
        # The last positions are read together with some that have been read before.
        first = jnp.minimum(number * positions, time - positions)
        index = first + jnp.arange(positions)
        these = pl.ds(first, positions)
        wanted = index >= number * positions
        if before is not None:
            wanted = wanted & (index < before)
        keys = keys_ref[0, 0, these, :].astype(jnp.float32)
        scores = jnp.sum(keys * query[None], axis=1) + bias_ref[0, 0, these].astype(jnp.float32)
        scores = jnp.where(wanted, scores, NO_SCORE)
        highest = jnp.maximum(mixed.highest, jnp.max(scores))
        weights = jnp.where(wanted, jnp.exp(scores - highest), 0.0)
        kept = jnp.exp(mixed.highest - highest)
        values = values_ref[0, 0, these, :].astype(jnp.float32)
        values = jnp.where(wanted[:, None], weights[:, None] * values, 0.0)
        return _Mixed(
            highest,
            mixed.weights * kept + jnp.sum(weights),
            mixed.values * kept + jnp.sum(values, axis=0),
        )

    return jax.lax.fori_loop(0, -(-time // positions), turn, start)


def _dot(a: jax.Array, b: jax.Array) -> jax.Array:
    return jnp.dot(a, b, preferred_element_type=jnp.float32, precision=HIGHEST)


def _terms(inner: int) -> int:
    """Returns the largest power of two that divides a width, up to `MOST_TERMS`."""
    return min(inner & -inner, MOST_TERMS)


def _power_of_2(most: int) -> int:
    return 1 << (most.bit_length() - 1)


def _whole(array: jax.Array) -> pl.BlockSpec:
    return pl.BlockSpec(array.shape, lambda column: (0,) * array.ndim)


def _of_head(cache: jax.Array) -> pl.BlockSpec:
    return pl.BlockSpec((1, 1, *cache.shape[2:]), lambda row, head: (row, head, 0, 0))


def _bias_of_head(bias: jax.Array) -> pl.BlockSpec:
    rows, heads, time = bias.shape

    def block(row: jax.Array, head: jax.Array) -> tuple[Any, Any, int]:
        return (row if rows > 1 else 0, head if heads > 1 else 0, 0)

    return pl.BlockSpec((1, 1, time), block)


def _pipelined() -> triton.CompilerParams:
    return triton.CompilerParams(num_warps=4, num_stages=3)
