"""What attention passes from step to step in all language models: keys, values, hidden positions.

They stand apart from the layers, so that a sampler whose program is kept needs no Flax. Letters in
shapes: B rows, T time, H heads, K head width, S prompt tokens.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

# Added to the scores of hidden positions.
HIDDEN = -1e10


class KeysValues(NamedTuple):
    """The keys and values that attention reads, with time third, the fastest layout for decoding.

    Attributes:
        keys: [B, H, time, K] in the activation type.
        values: [B, H, time, K] in the activation type.
    """

    keys: jax.Array
    values: jax.Array


def matmul(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Multiplies [..., in] by [in, out] in the type of x, in full float32 on accelerators too."""
    return jnp.matmul(x, kernel.astype(x.dtype), precision=jax.lax.Precision.HIGHEST)


def hide_padding(tokens: jax.Array, dtype: jnp.dtype) -> jax.Array:
    """Returns a bias [B, 1, 1, S] that hides the PAD among ids [B, S]."""
    return jnp.where(tokens == 0, HIDDEN, 0.0).astype(dtype)[:, None, None]


def extend_cache(cache: KeysValues, new: KeysValues, position: int | jax.Array) -> KeysValues:
    """Returns the cache with `new` written from `position` on."""
    start = (0, 0, position, 0)
    return KeysValues(
        jax.lax.dynamic_update_slice(cache.keys, new.keys, start),
        jax.lax.dynamic_update_slice(cache.values, new.values, start),
    )
