"""Codebooks that follow the embeddings: exponential means of what every code stands for."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from soundstage.stages import rvq

# A code used this much less than its equal share is dead: it is moved to where vectors are.
DEAD_SHARE = 0.1


class Books(NamedTuple):
    """Codebooks in training; `embedding` alone is exported.

    Attributes:
        embedding: float32 [level, code, feature], sums / counts.
        counts: float32 [level, code], mean number of vectors a step that take the code.
        sums: float32 [level, code, feature], mean sum of those vectors.
    """

    embedding: jax.Array
    counts: jax.Array
    sums: jax.Array


class Quantized(NamedTuple):
    """Vectors as codes.

    Attributes:
        codes: int32 [vector, level].
        residuals: float32 [level, vector, feature], what each level was given to say.
        sums: float32 [level, vector, feature], what the levels up to each say together.
    """

    codes: jax.Array
    residuals: jax.Array
    sums: jax.Array


def start_books(embedding: jax.Array, vectors: int) -> Books:
    """Books that take every code to be used alike.

    Args:
        embedding: float32 [level, code, feature].
        vectors: vectors a step.
    """
    counts = jnp.full(embedding.shape[:2], vectors / embedding.shape[1], jnp.float32)
    return Books(embedding, counts, embedding * counts[..., None])


def quantize(vectors: jax.Array, embedding: jax.Array) -> Quantized:
    """Finds the codes of vectors, and what every level has to do with it.

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
    """Moves every code toward the mean of the vectors that took it, and revives dead codes.

    Args:
        books: before the step.
        quantized: the step's vectors.
        used: bool [level, vector]; a vector does not train levels left out for it.
        draw: int32 [level, code], any numbers: which vector a dead code moves to.
        decay: of the means, per step.

    Returns:
        The books after the step; a code that no vector took stays where it is.
    """
    weights = used.astype(jnp.float32)
    counted, summed = jax.vmap(_gathered, in_axes=(0, 0, 0, None))(
        quantized.codes.T, quantized.residuals, weights, books.counts.shape[1]
    )
    counts = decay * books.counts + (1 - decay) * counted
    sums = decay * books.sums + (1 - decay) * summed
    share = counts.mean(axis=1, keepdims=True)
    dead = counts < DEAD_SHARE * share  # [level, code]
    places = draw % quantized.codes.shape[0]
    found = jax.vmap(lambda rows, place: rows[place])(quantized.residuals, places)
    # A level that no vector used this step has no residuals worth moving to.
    dead = dead & (counted.sum(axis=1, keepdims=True) > 0)
    counts = jnp.where(dead, share, counts)
    sums = jnp.where(dead[..., None], found * counts[..., None], sums)
    return Books(sums / jnp.maximum(counts, 1e-8)[..., None], counts, sums)


def _gathered(
    codes: jax.Array, residuals: jax.Array, weights: jax.Array, size: int
) -> tuple[jax.Array, jax.Array]:
    """How many vectors took each code, [code], and their sums, [code, feature]."""
    counted = jnp.zeros(size, jnp.float32).at[codes].add(weights)
    zeros = jnp.zeros((size, residuals.shape[-1]), jnp.float32)
    return counted, zeros.at[codes].add(residuals * weights[:, None])


def perplexity(counts: jax.Array) -> jax.Array:
    """How many codes are in use, as if evenly: float32 [level] from counts [level, code]."""
    shares = counts / jnp.maximum(counts.sum(axis=1, keepdims=True), 1e-8)
    entropy = -(shares * jnp.log(jnp.maximum(shares, 1e-12))).sum(axis=1)
    return jnp.exp(entropy)
