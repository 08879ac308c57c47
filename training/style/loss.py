"""Texts near the clips they describe, far from the others."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

# Together: how far a text lies from its own clip, beside how well it is told from others.
TOGETHER = 0.5
# The mean text and the mean clip: nothing else keeps the two kinds of prompt in one region.
GAP = 4.0
# Steeper, and all prompts could lie near each other and still be told apart: what is near then
# would no longer be near in style tokens.
STEEPEST = 6.0


class Losses(NamedTuple):
    """What training makes small, and what it is made of; float32 scalars.

    Attributes:
        total: the loss.
        contrast: cross-entropy of texts against clips and clips against texts, in nats.
        floor: the least contrast there can be: the entropy of the targets, in nats.
        together: 1 - cosine of texts and their own clips, mean.
        gap: length of the difference of the mean text and the mean clip, squared.
        steepness: what cosines were multiplied by.
    """

    total: jax.Array
    contrast: jax.Array
    floor: jax.Array
    together: jax.Array
    gap: jax.Array
    steepness: jax.Array


def losses(
    texts: jax.Array, clips: jax.Array, distances: jax.Array, log_steepness: jax.Array
) -> Losses:
    """Compares a batch of texts with the clips that they describe, row by row.

    A text fits many clips of a batch, some better than others, so targets are soft:
    proportional to exp(-distance).

    Args:
        texts: float32 [row, rank], rows of length 1.
        clips: float32 [row, rank], rows of length 1; of the piece that the text was made for.
        distances: float32 [text, clip], >= 0: how little each text fits each clip.
        log_steepness: float32 scalar, learned: log of what cosines are multiplied by.
    """
    steepness = jnp.minimum(jnp.exp(log_steepness), STEEPEST)
    cosines = jnp.matmul(texts, clips.T, precision=jax.lax.Precision.HIGHEST)
    scores = steepness * cosines  # [text, clip]
    ways = [_cross(scores, -distances), _cross(scores.T, -distances.T)]
    contrast = (ways[0][0] + ways[1][0]) / 2
    floor = (ways[0][1] + ways[1][1]) / 2
    together = jnp.mean(1 - jnp.diagonal(cosines))
    gap = jnp.sum(jnp.square(texts.mean(axis=0) - clips.mean(axis=0)))
    total = contrast + TOGETHER * together + GAP * gap
    return Losses(total, contrast, floor, together, gap, steepness)


def _cross(scores: jax.Array, fits: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Cross-entropy of softmax(scores) against softmax(fits), and the latter's entropy."""
    targets = jax.nn.softmax(fits, axis=1)
    return (
        -jnp.mean(jnp.sum(targets * jax.nn.log_softmax(scores, axis=1), axis=1)),
        -jnp.mean(jnp.sum(targets * jax.nn.log_softmax(fits, axis=1), axis=1)),
    )
