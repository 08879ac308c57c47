"""Codebooks in training: every code follows the exponential mean of the vectors that choose it."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from soundstage.stages import rvq

# A code chosen by less than this share of the mean is dead: it is moved to a random vector.
DEAD_SHARE = 0.1


class Books(NamedTuple):
    """Codebooks in training; `embedding` alone is exported.

    Attributes:
        embedding: float32 [level, code, feature], sums / counts.
        counts: float32 [level, code], mean number of vectors a step that choose the code.
        sums: float32 [level, code, feature], mean sum of those vectors.
    """

    embedding: jax.Array
    counts: jax.Array
    sums: jax.Array


class Quantized(NamedTuple):
    """Quantized vectors.

    Attributes:
        codes: int32 [vector, level].
        residuals: float32 [level, vector, feature], the vectors that each level quantized.
        sums: float32 [level, vector, feature], the vectors that the levels up to each decode to.
    """

    codes: jax.Array
    residuals: jax.Array
    sums: jax.Array


def start_books(embedding: jax.Array, vectors: int) -> Books:
    """Makes books whose codes are all equally used.

    Args:
        embedding: float32 [level, code, feature].
        vectors: vectors a step.
    """
    counts = jnp.full(embedding.shape[:2], vectors / embedding.shape[1], jnp.float32)
    return Books(embedding, counts, embedding * counts[..., None])


def quantize(vectors: jax.Array, embedding: jax.Array) -> Quantized:
    """Quantizes vectors, and keeps the residual and the sum of every level.

    Args:
        vectors: float32 [vector, feature].
        embedding: float32 [level, code, feature].
    """
    codes = rvq.encode(vectors, embedding)
    rows = jax.vmap(lambda book, code: book[code])(embedding, codes.T)
    sums = jnp.cumsum(rows, axis=0)
    return Quantized(codes, vectors[None] - (sums - rows), sums)


def follow(
    books: Books, quantized: Quantized, used: jax.Array, draw: jax.Array, decay: float
) -> Books:
    """Moves every code toward the mean of the vectors that chose it, and revives dead codes.

    Args:
        books: before the step.
        quantized: the step's vectors.
        used: bool [level, vector]; a vector trains only the levels used for it.
        draw: int32 [level, code], any integers: the vector that a dead code moves to.
        decay: the decay of the means, per step.

    Returns:
        The books after the step; a code that no vector chose does not move.
    """
    weights = used.astype(jnp.float32)
    counted, summed = jax.vmap(_gathered, in_axes=(0, 0, 0, None))(
        quantized.codes.T, quantized.residuals, weights, books.counts.shape[1]
    )
    counts = decay * books.counts + (1 - decay) * counted
    sums = decay * books.sums + (1 - decay) * summed
    share = counts.mean(axis=1, keepdims=True)
    dead = counts < DEAD_SHARE * share  # [level, code]
    numbers = draw % quantized.codes.shape[0]
    vectors = jax.vmap(lambda rows, number: rows[number])(quantized.residuals, numbers)
    # A level that no vector used in this step has no residuals to move to.
    dead = dead & (counted.sum(axis=1, keepdims=True) > 0)
    counts = jnp.where(dead, share, counts)
    sums = jnp.where(dead[..., None], vectors * counts[..., None], sums)
    return Books(sums / jnp.maximum(counts, 1e-8)[..., None], counts, sums)


def _gathered(
    codes: jax.Array, residuals: jax.Array, weights: jax.Array, size: int
) -> tuple[jax.Array, jax.Array]:
    """Returns how many vectors chose each code, [code], and their sums, [code, feature]."""
    counted = jnp.zeros(size, jnp.float32).at[codes].add(weights)
    zeros = jnp.zeros((size, residuals.shape[-1]), jnp.float32)
    return counted, zeros.at[codes].add(residuals * weights[:, None])


def perplexity(counts: jax.Array) -> jax.Array:
    """Returns the perplexity of the codes in use, float32 [level], from counts [level, code]."""
    shares = counts / jnp.maximum(counts.sum(axis=1, keepdims=True), 1e-8)
    entropy = -(shares * jnp.log(jnp.maximum(shares, 1e-12))).sum(axis=1)
    return jnp.exp(entropy)
