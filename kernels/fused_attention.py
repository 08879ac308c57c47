"""Attention of one step a row to what is kept of earlier ones, as one kernel, for GPUs.

The kernels are written in Pallas, as those of `kernels.fused`, and compiled by Triton; on a
processor they are interpreted, for tests.

Letters in shapes: R rows, padded to `fused.padded_rows`; B rows that are used; H heads; K head
width, a power of two; T time. Scores and sums are float32.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton

from soundstage.kernels.fused_tiles import pipelined

# Positions that are read at once.
MOST_POSITIONS = 128
NO_SCORE = -3e38


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
        compiler_params=pipelined(),
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
        compiler_params=pipelined(),
        name="attend_and_keep",
    )(*arguments)
    return mixed, keys, values


def attend_in_ring(
    query: jax.Array,
    key: jax.Array,
    value: jax.Array,
    scale: jax.Array,
    keys: jax.Array,
    values: jax.Array,
    bias: jax.Array | None,
    places: tuple[jax.Array, jax.Array],
    sinks: tuple[jax.Array, jax.Array] | None,
    *,
    unit: float,
    interpret: bool = False,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Attends from a new step of each row to the steps in a ring, to itself and to sinks.

    Args:
        query: [R, H * K].
        key: [R, H * K], of the new step.
        value: [R, H * K], of the new step.
        scale: [K]; queries are multiplied by `unit * softplus(scale)`, but for the scores of sinks.
        keys: [B, H, T, K], the ring; one place is overwritten.
        values: [B, H, T, K], likewise.
        bias: float32 [1 or B, 1 or H, T], added to the scores of the ring; None = the places before
            the new one are seen, and those from it on may hold anything.
        places: int32 [B], the place that each row overwrites, and 1 where it has such a step; 0 =
            zeros are written.
        sinks: keys and values [N, H, K] that every step sees; None = none.
        unit: of the queries' scale.
        interpret: whether the kernel is interpreted, on a processor.

    Returns:
        [R, H * K] in the query's type, of which rows from B on hold anything; keys and values with
        the new step.
    """
    rows, heads, _, width = keys.shape
    one = pl.BlockSpec((1, width), lambda row, head: (row, head))
    number = pl.BlockSpec((1,), lambda row, head: (row,))
    cache = [_of_head(keys), _of_head(values)]
    whole_scale = pl.BlockSpec((width,), lambda row, head: (0,))
    of_sinks = [
        pl.BlockSpec((len(each), 1, width), lambda row, head: (0, head, 0)) for each in sinks or ()
    ]
    mixed, keys, values = pl.pallas_call(
        partial(
            _ring_kernel,
            unit=unit,
            sinks=len(sinks[0]) if sinks else 0,
            many_threads=not interpret,
        ),
        out_shape=[jax.ShapeDtypeStruct(like.shape, like.dtype) for like in (query, keys, values)],
        grid=(rows, heads),
        in_specs=[
            number,
            number,
            one,
            one,
            one,
            whole_scale,
            *cache,
            None if bias is None else _bias_of_head(bias),
            *of_sinks,
        ],
        out_specs=[one, *cache],
        input_output_aliases={6: 1, 7: 2},
        interpret=interpret,
        compiler_params=pipelined(),
        name="attend_in_ring",
    )(*places, query, key, value, scale, keys, values, bias, *(sinks or ()))
    return mixed, keys, values


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

    def with_position(self, score: jax.Array, value: jax.Array) -> _Mixed:
        """Returns the values with those of one more position, float32 [K]."""
        highest = jnp.maximum(self.highest, score)
        kept, weight = jnp.exp(self.highest - highest), jnp.exp(score - highest)
        return _Mixed(highest, self.weights * kept + weight, self.values * kept + weight * value)

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


def _ring_kernel(
    place_ref: Any,
    exists_ref: Any,
    query_ref: Any,
    key_ref: Any,
    value_ref: Any,
    scale_ref: Any,
    keys_ref: Any,
    values_ref: Any,
    bias_ref: Any,
    *refs: Any,
    unit: float,
    sinks: int,
    many_threads: bool,
) -> None:
    mixed_ref, new_keys_ref, new_values_ref = refs[-3:]
    query, key, value = query_ref[0], key_ref[...], value_ref[...]
    scale = scale_ref[...].astype(jnp.float32)
    softplus = jnp.maximum(scale, 0.0) + jnp.log1p(jnp.exp(-jnp.abs(scale)))
    scaled = (query * (unit * softplus).astype(query.dtype)).astype(jnp.float32)
    own = jnp.sum(scaled * key[0].astype(jnp.float32))
    mixed = _Mixed(own, jnp.float32(1), value[0].astype(jnp.float32))
    for sink in range(sinks):
        sink_key, sink_value = (ref[sink, 0].astype(query.dtype) for ref in refs[:2])
        score = jnp.sum(query.astype(jnp.float32) * sink_key.astype(jnp.float32))
        mixed = mixed.with_position(score, sink_value.astype(jnp.float32))
    place, exists = place_ref[0], exists_ref[0] > 0
    before = place if bias_ref is None else None
    mixed = _mix(scaled, keys_ref, values_ref, bias_ref, before, mixed)
    mixed_ref[...] = mixed.result().astype(mixed_ref.dtype)
    if many_threads:
        triton.debug_barrier()  # all threads have read the place before one writes it
    new_keys_ref[0, 0, pl.ds(place, 1), :] = jnp.where(exists, key, jnp.zeros_like(key))
    new_values_ref[0, 0, pl.ds(place, 1), :] = jnp.where(exists, value, jnp.zeros_like(value))


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
        scores = jnp.sum(keys * query[None], axis=1)
        if bias_ref is not None:
            scores = scores + bias_ref[0, 0, these].astype(jnp.float32)
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


def _power_of_2(most: int) -> int:
    return 1 << (most.bit_length() - 1)


def _of_head(cache: jax.Array) -> pl.BlockSpec:
    return pl.BlockSpec((1, 1, *cache.shape[2:]), lambda row, head: (row, head, 0, 0))


def _bias_of_head(bias: jax.Array) -> pl.BlockSpec:
    rows, heads, time = bias.shape

    def block(row: jax.Array, head: jax.Array) -> tuple[Any, Any, int]:
        return (row if rows > 1 else 0, head if heads > 1 else 0, 0)

    return pl.BlockSpec((1, 1, time), block)
