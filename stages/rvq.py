"""Residual vector quantization: one code a level, each for the residual of the levels before."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax


def encode(embeddings: jax.Array, codebooks: jax.Array) -> jax.Array:
    """Picks, level by level, the code nearest to the residual of the levels before.

    The first K levels of a deeper encoding equal the encoding by the first K codebooks. Among
    equally near codes, the lowest is picked.

    Args:
        embeddings: float32 [..., dim].
        codebooks: float32 [level, code, dim].

    Returns:
        int32 [..., level], in [0, code).

    Raises:
        ValueError: the width of the embeddings is not that of the codebooks.

    Source: the SpectroStream spec, section 7.
    """
    levels, _, width = codebooks.shape
    if embeddings.shape[-1] != width:
        raise ValueError(
            f"embeddings have width {embeddings.shape[-1]}, but the codebooks have {width}"
        )

    def refine(residual: jax.Array, codebook: jax.Array) -> tuple[jax.Array, jax.Array]:
        code = _nearest(residual, codebook)
        return residual - codebook[code], code

    # A scan, because compiling 64 levels one by one takes seconds and runs no faster.
    _, codes = lax.scan(refine, embeddings.reshape(-1, width), codebooks)  # [level, vector]
    return codes.T.reshape(*embeddings.shape[:-1], levels)


def _nearest(residual: jax.Array, codebook: jax.Array) -> jax.Array:
    # |r|^2 is the same for every code, so it is left out of the distance.
    products = jnp.matmul(residual, codebook.T, precision=lax.Precision.HIGHEST)
    distances = jnp.square(codebook).sum(axis=-1)[None, :] - 2.0 * products  # [vector, code]
    return jnp.argmin(distances, axis=-1).astype(jnp.int32)


def decode(codes: jax.Array, codebooks: jax.Array) -> jax.Array:
    """Adds up the codebook rows of every level, in level order.

    Args:
        codes: int32 [..., level], in [0, code), as `check_codes` checks; at most as many levels
            as there are codebooks.
        codebooks: float32 [level, code, dim].

    Returns:
        float32 [..., dim].

    Raises:
        ValueError: there are more levels than codebooks, or none.

    Source: the SpectroStream spec, section 7.
    """
    levels = codes.shape[-1]
    check_levels(levels, len(codebooks))
    total = codebooks[0][codes[..., 0]]
    for level in range(1, levels):
        total = total + codebooks[level][codes[..., level]]
    return total


def check_levels(levels: int, most: int) -> None:
    """Refuses a number of levels for which there are no codebooks.

    Raises:
        ValueError: `levels` is not in [1, most].
    """
    if not 1 <= levels <= most:
        raise ValueError(f"codes have {levels} levels, but the quantizer has 1 to {most}")


def check_codes(codes: np.ndarray, codebook_size: int) -> None:
    """Refuses codes that are not in the codebooks.

    Args:
        codes: integers [..., level].
        codebook_size: codes per level.

    Raises:
        ValueError: a code is outside [0, codebook_size); names the first one and its index.
        TypeError: the codes are not integers.
    """
    if not np.issubdtype(codes.dtype, np.integer):
        raise TypeError(f"codes must be integers, got {codes.dtype}")
    bad = (codes < 0) | (codes >= codebook_size)
    if bad.any():
        first = tuple(int(i) for i in np.argwhere(bad)[0])
        raise ValueError(
            f"code {int(codes[first])} at {list(first)} is outside [0, {codebook_size}); "
            f"{int(bad.sum())} of {codes.size} codes are"
        )
