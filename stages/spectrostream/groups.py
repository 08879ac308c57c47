"""Audio channels that run apart through shared weights: groups of channels moved into the rows.

Rows are ordered group by group.
"""

from collections.abc import Callable, Iterable

import jax
import jax.numpy as jnp
from jax import lax


def split(x: jax.Array, groups: int) -> jax.Array:
    """[row, time, bin, group * channel] to [group * row, time, bin, channel]."""
    rows, times, bins, width = x.shape
    parted = x.reshape(rows, times, bins, groups, width // groups)
    return jnp.moveaxis(parted, 3, 0).reshape(groups * rows, times, bins, width // groups)


def join(x: jax.Array, groups: int) -> jax.Array:
    """[group * row, time, bin, channel] to [row, time, bin, group * channel]."""
    all_rows, times, bins, width = x.shape
    parted = x.reshape(groups, all_rows // groups, times, bins, width)
    return jnp.moveaxis(parted, 0, 3).reshape(all_rows // groups, times, bins, groups * width)


def apart(x: jax.Array, groups: int) -> jax.Array:
    """[group * row, ...] to [group, row, ...]; unchanged where there is but one group."""
    return x if groups == 1 else x.reshape(groups, x.shape[0] // groups, *x.shape[1:])


def row_by_row(function: Callable[[jax.Array], jax.Array], x: jax.Array) -> jax.Array:
    """Applies a function of [1, ...] to every row in turn.

    The maps next to the audio are large, and one row of them fills every core: rows in turn need
    less memory than rows at once, stay nearer to the caches, and come out the same whoever their
    neighbours are.
    """
    return lax.map(lambda row: function(row[None])[0], x)


def last_output(blocks: Iterable[tuple[str, jax.Array]]) -> jax.Array:
    """The output of the last of a chain of named blocks."""
    *_, (_, output) = blocks
    return output
