"""What programs of the fused kernels share: each computes some columns of a product of few rows.

Letters in shapes: R rows, padded; D width of the rows, a multiple of 16.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton

# The least sides of a product on tensor cores.
TILE = 16
# Numbers of a sum that one turn of a loop adds.
MOST_TERMS = 128
EPSILON = 1e-6
HIGHEST = jax.lax.Precision.HIGHEST
# Reads some rows of a program's columns of a matrix, by a slice of Pallas: [terms, TILE].
Reader = Callable[[Any], jax.Array]


def read_columns(kernel_ref: Any, these: Any) -> jax.Array:
    """Reads some rows of a program's columns of a matrix; with the matrix, a `Reader`."""
    return kernel_ref[these, :]


def normed_sums(
    x_ref: Any,
    scale_ref: Any,
    readers: Sequence[Reader],
    terms: int,
    rounded: jnp.dtype,
) -> tuple[jax.Array, ...]:
    """Returns products of normalised rows by matrices, float32 [R, TILE] for each reader."""
    rows, inner = x_ref.shape

    def squares(turn: jax.Array, total: jax.Array) -> jax.Array:
        part = x_ref[:, pl.ds(turn * terms, terms)].astype(jnp.float32)
        return total + jnp.sum(part * part, axis=1)

    total = jax.lax.fori_loop(0, inner // terms, squares, jnp.zeros(rows, jnp.float32))
    factor = jax.lax.rsqrt(total / inner + EPSILON)[:, None]

    def products(turn: jax.Array, sums: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        these = pl.ds(turn * terms, terms)
        normed = (x_ref[:, these].astype(jnp.float32) * factor).astype(rounded)
        normed = normed * scale_ref[these].astype(rounded)[None]
        parts = [reader(these) for reader in readers]
        return tuple(
            total + _dot(normed.astype(part.dtype), part)
            for total, part in zip(sums, parts, strict=True)
        )

    start = tuple(jnp.zeros((rows, TILE), jnp.float32) for _ in readers)
    return jax.lax.fori_loop(0, inner // terms, products, start)


def plain_sum(x_ref: Any, kernel_ref: Any, terms: int) -> jax.Array:
    """Returns the product of rows as they are by a program's columns, float32 [R, TILE]."""
    rows, inner = x_ref.shape

    def products(turn: jax.Array, total: jax.Array) -> jax.Array:
        these = pl.ds(turn * terms, terms)
        return total + _dot(x_ref[:, these], kernel_ref[these, :])

    return jax.lax.fori_loop(0, inner // terms, products, jnp.zeros((rows, TILE), jnp.float32))


def _dot(a: jax.Array, b: jax.Array) -> jax.Array:
    return jnp.dot(a, b, preferred_element_type=jnp.float32, precision=HIGHEST)


def terms_of(inner: int) -> int:
    """Returns the largest power of two that divides a width, up to `MOST_TERMS`."""
    return min(inner & -inner, MOST_TERMS)


def whole(array: jax.Array) -> pl.BlockSpec:
    """Returns the block of an array that every program reads as a whole."""
    return pl.BlockSpec(array.shape, lambda column: (0,) * array.ndim)


def pipelined() -> triton.CompilerParams:
    """Returns how Triton compiles these kernels; the numbers were not tuned on a GPU."""
    return triton.CompilerParams(num_warps=4, num_stages=3)
