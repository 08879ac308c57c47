"""Audio channels that run apart through shared weights: groups of channels moved into the rows.

Rows are ordered group by group, so one convolution serves all groups of all rows.
"""

import jax
import jax.numpy as jnp


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
