"""Residual codebooks fitted by k-means on the accelerator, level by level."""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from soundstage.stages import rvq


@partial(jax.jit, static_argnames=("levels", "codes", "iterations"))
def fit_codebooks(
    vectors: jax.Array, seed: jax.Array, levels: int, codes: int, iterations: int = 12
) -> jax.Array:
    """Fits each level to the residuals of the level before.

    Args:
        vectors: float32 [vector, feature], several for every code.
        seed: int32 scalar, of the first centres.
        levels: number of codebooks.
        codes: codes in each.
        iterations: the number of k-means iterations.

    Returns:
        float32 [level, code, feature].
    """

    def fit(residual: jax.Array, level: jax.Array) -> tuple[jax.Array, jax.Array]:
        key = jax.random.fold_in(jax.random.key(seed), level)
        book = _fit_level(residual, key, codes, iterations)
        chosen = rvq.encode(residual, book[None])[:, 0]
        return residual - book[chosen], book

    return lax.scan(fit, vectors, jnp.arange(levels))[1]


def _fit_level(vectors: jax.Array, key: jax.Array, codes: int, iterations: int) -> jax.Array:
    start, *later = jax.random.split(key, iterations + 1)
    count = len(vectors)

    def refine(centres: jax.Array, key: jax.Array) -> tuple[jax.Array, None]:
        chosen = rvq.encode(vectors, centres[None])[:, 0]
        counts = jnp.zeros(codes, jnp.float32).at[chosen].add(1.0)
        sums = jnp.zeros_like(centres).at[chosen].add(vectors)
        means = sums / jnp.maximum(counts, 1)[:, None]
        others = vectors[jax.random.randint(key, (codes,), 0, count)]
        return jnp.where((counts > 0)[:, None], means, others), None

    # No vector is drawn twice if there are enough: equal centres would never separate.
    order = jax.random.permutation(start, count)
    centres = vectors[order[jnp.arange(codes) % count]]
    return lax.scan(refine, centres, jnp.stack(later))[0]
