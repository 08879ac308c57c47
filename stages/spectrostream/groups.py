"""Groups of channels moved into the rows, so that shared weights process them separately.

The rows are ordered group by group.
"""

from collections.abc import Callable, Iterable

import jax
import jax.numpy as jnp
from jax import lax


def split(x: jax.Array, groups: int) -> jax.Array:
    """Moves groups into the rows.

    [row, time, bin, group * channel] to [group * row, time, bin, channel].
    """
    rows, times, bins, width = x.shape
    parted = x.reshape(rows, times, bins, groups, width // groups)
    return jnp.moveaxis(parted, 3, 0).reshape(groups * rows, times, bins, width // groups)


def join(x: jax.Array, groups: int) -> jax.Array:
    """Moves groups back into the channels.

    [group * row, time, bin, channel] to [row, time, bin, group * channel].
    """
    all_rows, times, bins, width = x.shape
    parted = x.reshape(groups, all_rows // groups, times, bins, width)
    return jnp.moveaxis(parted, 0, 3).reshape(all_rows // groups, times, bins, groups * width)


def apart(x: jax.Array, groups: int) -> jax.Array:
    """Returns [group * row, ...] as [group, row, ...]; one group is returned unchanged."""
    return x if groups == 1 else x.reshape(groups, x.shape[0] // groups, *x.shape[1:])


def row_by_row(function: Callable[[jax.Array], jax.Array], x: jax.Array) -> jax.Array:
    """Applies a function of [1, ...] to one row after another.

    The arrays next to the audio are large, and one row of them keeps all cores busy. One row after
    another takes less memory, stays in the caches, and gives the same result for any number of
    rows.
    """
    return lax.map(lambda row: function(row[None])[0], x)


def last_output(blocks: Iterable[tuple[str, jax.Array]]) -> jax.Array:
    """Returns the output of the last of a sequence of named blocks."""
    *_, (_, output) = blocks
    return output
