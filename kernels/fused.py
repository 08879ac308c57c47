"""Products of few rows with what stands before and behind them, as one kernel each, for GPUs.

A step of a decoder multiplies few rows by large weights. On a GPU it takes the time to read the
weights and to launch its kernels, and XLA makes eleven kernels of a layer of the Depthformer. With
those of this module and of `fused_attention` it is five: norm with queries, keys and values;
attention with its cache; an output product with its sum; norm with a gated product; the last
product with its sum. They are written in Pallas and compiled by Triton. On a processor they are
interpreted, for tests. `fused_tiles` holds what programs of several kernels share.

Letters in shapes: R rows, padded to `padded_rows`; D and N widths, multiples of 16. The matrices of
a call have the type in which activations are rounded: float32 or bfloat16. Sums are float32.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl

from soundstage.kernels.fused_tiles import (
    TILE,
    normed_sums,
    pipelined,
    plain_sum,
    read_columns,
    terms_of,
    whole,
)

# Makes a kernel's outputs of its products and their biases.
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
        x: float32 or the matrices' type [R, D].
        scale: [D], of the norm.
        kernels: matrices [D, N].
        interpret: whether the kernel is interpreted, on a processor.

    Returns:
        [R, N] for each matrix, in its type.
    """
    return _norm_products(x, scale, kernels, (), len(kernels), _as_they_are, interpret)


def norm_and_source_products(
    x: jax.Array,
    scale: jax.Array,
    kernel: jax.Array,
    source: jax.Array,
    of_source: Sequence[jax.Array],
    *,
    interpret: bool = False,
) -> list[jax.Array]:
    """Normalises rows and multiplies them, and multiplies rows of another source as they are.

    Args:
        x: float32 or the matrices' type [R, D].
        scale: [D], of the norm.
        kernel: [D, N].
        source: [R, E] in the matrices' type; E is a multiple of 16.
        of_source: matrices [E, N].
        interpret: whether the kernel is interpreted, on a processor.

    Returns:
        [R, N] for the normalised rows, then for each matrix of the source, in their type.
    """
    (rows, inner), (width, outer) = source.shape, kernel.shape
    columns = [pl.BlockSpec((inner, TILE), lambda column: (0, column)) for _ in of_source]
    return pl.pallas_call(
        partial(_two_sources_kernel, terms=terms_of(width), source_terms=terms_of(inner)),
        out_shape=[jax.ShapeDtypeStruct((rows, outer), kernel.dtype)] * (1 + len(of_source)),
        grid=(outer // TILE,),
        in_specs=[
            whole(x),
            whole(scale),
            pl.BlockSpec((width, TILE), lambda column: (0, column)),
            whole(source),
            columns,
        ],
        out_specs=[pl.BlockSpec((rows, TILE), lambda column: (0, column))] * (1 + len(of_source)),
        interpret=interpret,
        compiler_params=pipelined(),
        name="norm_and_source_products",
    )(x, scale, kernel, source, list(of_source))


def norm_gated(
    x: jax.Array, scale: jax.Array, gate: jax.Array, value: jax.Array, *, interpret: bool = False
) -> jax.Array:
    """Normalises rows, and returns `gelu(x gate) * (x value)`, gelu in its tanh form.

    Args:
        x: float32 or the matrices' type [R, D].
        scale: [D], of the norm.
        gate: [D, N].
        value: [D, N].
        interpret: whether the kernel is interpreted, on a processor.

    Returns:
        [R, N] in the matrices' type.
    """
    return _norm_products(x, scale, (gate, value), (), 1, _gated, interpret)[0]


def norm_gelu(
    x: jax.Array, scale: jax.Array, kernel: jax.Array, bias: jax.Array, *, interpret: bool = False
) -> jax.Array:
    """Normalises rows, and returns `gelu(x kernel + bias)`, gelu in its tanh form.

    Args:
        x: float32 or the matrix's type [R, D].
        scale: [D], of the norm.
        kernel: [D, N].
        bias: [N].
        interpret: whether the kernel is interpreted, on a processor.

    Returns:
        [R, N] in the matrix's type.
    """
    return _norm_products(x, scale, (kernel,), (bias,), 1, _gelu_with_bias, interpret)[0]


def norm_logits(
    x: jax.Array,
    scale: jax.Array,
    heads: jax.Array,
    level: jax.Array,
    rounded: jnp.dtype,
    *,
    interpret: bool = False,
) -> jax.Array:
    """Normalises rows, rounds them, and multiplies them by the matrix of a level.

    Args:
        x: float32 or the rounded type [R, D].
        scale: [D], of the norm.
        heads: [L, D, N]; the other levels are not read.
        level: int32 [].
        rounded: the type to which normalised rows are rounded before the product.
        interpret: whether the kernel is interpreted, on a processor.

    Returns:
        [R, N] in the heads' type.
    """
    rows, (_, inner, outer) = len(x), heads.shape
    return pl.pallas_call(
        partial(_norm_logits_kernel, terms=terms_of(inner), rounded=rounded),
        out_shape=jax.ShapeDtypeStruct((rows, outer), heads.dtype),
        grid=(outer // TILE,),
        in_specs=[
            pl.BlockSpec((1,), lambda column: (0,)),
            whole(x),
            whole(scale),
            pl.BlockSpec((len(heads), inner, TILE), lambda column: (0, 0, column)),
        ],
        out_specs=pl.BlockSpec((rows, TILE), lambda column: (0, column)),
        interpret=interpret,
        compiler_params=pipelined(),
        name="norm_logits",
    )(jnp.reshape(level, 1).astype(jnp.int32), x, scale, heads)


def product(x: jax.Array, kernel: jax.Array, *, interpret: bool = False) -> jax.Array:
    """Returns `x kernel`.

    Args:
        x: [R, N] in the kernel's type.
        kernel: [N, D].
        interpret: whether the kernel is interpreted, on a processor.

    Returns:
        [R, D] in the kernel's type.
    """
    rows, inner = x.shape
    outer = kernel.shape[1]
    return pl.pallas_call(
        partial(_product_kernel, terms=terms_of(inner)),
        out_shape=jax.ShapeDtypeStruct((rows, outer), kernel.dtype),
        grid=(outer // TILE,),
        in_specs=[whole(x), pl.BlockSpec((inner, TILE), lambda column: (0, column))],
        out_specs=pl.BlockSpec((rows, TILE), lambda column: (0, column)),
        interpret=interpret,
        compiler_params=pipelined(),
        name="product",
    )(x, kernel)


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
        partial(_product_sum_kernel, terms=terms_of(inner)),
        out_shape=jax.ShapeDtypeStruct((rows, outer), jnp.float32),
        grid=(outer // TILE,),
        in_specs=[whole(x), pl.BlockSpec((inner, TILE), lambda column: (0, column)), tile],
        out_specs=tile,
        interpret=interpret,
        compiler_params=pipelined(),
        name="product_sum",
    )(x, kernel, summand)


def _norm_products(
    x: jax.Array,
    scale: jax.Array,
    kernels: Sequence[jax.Array],
    biases: Sequence[jax.Array],
    outputs: int,
    finish: Finish,
    interpret: bool,
) -> list[jax.Array]:
    rows, inner = x.shape
    outer, dtype = kernels[0].shape[1], kernels[0].dtype
    columns = [pl.BlockSpec((inner, TILE), lambda column: (0, column)) for _ in kernels]
    of_biases = [pl.BlockSpec((TILE,), lambda column: (column,)) for _ in biases]
    kernel = partial(
        _norm_products_kernel,
        matrices=len(kernels),
        biases=len(biases),
        terms=terms_of(inner),
        finish=finish,
    )
    return pl.pallas_call(
        kernel,
        out_shape=[jax.ShapeDtypeStruct((rows, outer), dtype)] * outputs,
        grid=(outer // TILE,),
        in_specs=[whole(x), whole(scale), *columns, *of_biases],
        out_specs=[pl.BlockSpec((rows, TILE), lambda column: (0, column))] * outputs,
        interpret=interpret,
        compiler_params=pipelined(),
        name="norm_products",
    )(x, scale, *kernels, *biases)


def _norm_products_kernel(
    x_ref: Any,
    scale_ref: Any,
    *refs: Any,
    matrices: int,
    biases: int,
    terms: int,
    finish: Finish,
) -> None:
    kernels, outputs = refs[:matrices], refs[matrices + biases :]
    dtype = kernels[0].dtype
    readers = [partial(read_columns, kernel) for kernel in kernels]
    found = [each.astype(dtype) for each in normed_sums(x_ref, scale_ref, readers, terms, dtype)]
    found += [bias[...].astype(dtype) for bias in refs[matrices : matrices + biases]]
    for output, result in zip(outputs, finish(found), strict=True):
        output[...] = result


def _two_sources_kernel(
    x_ref: Any,
    scale_ref: Any,
    kernel_ref: Any,
    source_ref: Any,
    of_source_refs: list[Any],
    *outputs: Any,
    terms: int,
    source_terms: int,
) -> None:
    dtype = kernel_ref.dtype
    sums = list(normed_sums(x_ref, scale_ref, [partial(read_columns, kernel_ref)], terms, dtype))
    sums += [plain_sum(source_ref, each, source_terms) for each in of_source_refs]
    for output, total in zip(outputs, sums, strict=True):
        output[...] = total.astype(dtype)


def _norm_logits_kernel(
    level_ref: Any,
    x_ref: Any,
    scale_ref: Any,
    heads_ref: Any,
    output: Any,
    *,
    terms: int,
    rounded: jnp.dtype,
) -> None:
    reader = partial(_columns_of_level, heads_ref, level_ref[0])
    (total,) = normed_sums(x_ref, scale_ref, [reader], terms, rounded)
    output[...] = total.astype(output.dtype)


def _columns_of_level(heads_ref: Any, level: jax.Array, these: Any) -> jax.Array:
    return heads_ref[level, these, :]


def _as_they_are(products: list[jax.Array]) -> list[jax.Array]:
    return products


def _gated(products: list[jax.Array]) -> list[jax.Array]:
    gate, value = products
    gelu = jax.nn.gelu(gate.astype(jnp.float32), approximate=True)
    return [gelu.astype(value.dtype) * value]


def _gelu_with_bias(found: list[jax.Array]) -> list[jax.Array]:
    product, bias = found
    inner = (product + bias[None]).astype(jnp.float32)
    return [jax.nn.gelu(inner, approximate=True).astype(product.dtype)]


def _product_kernel(x_ref: Any, kernel_ref: Any, output: Any, *, terms: int) -> None:
    output[...] = plain_sum(x_ref, kernel_ref, terms).astype(output.dtype)


def _product_sum_kernel(
    x_ref: Any, kernel_ref: Any, summand_ref: Any, output: Any, *, terms: int
) -> None:
    total = plain_sum(x_ref, kernel_ref, terms)
    output[...] = summand_ref[...] + total.astype(kernel_ref.dtype).astype(jnp.float32)
