"""The contrastive loss: texts near the clips they describe, far from other clips."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

# Weight of the distance between a text and its own clip.
TOGETHER = 0.5
# Weight of the gap between the mean text and the mean clip, which no other loss bounds.
GAP = 4.0
# Weight of the loss of texts that contradict their clip.
CONTRADICTION = 1.0
# Greatest factor of the cosines, in the first part of a run and in the last. A great one soon tells
# genres apart; with it, contrast is small even if all prompts lie near each other, and then similar
# prompts do not get similar style tokens.
FIRST_STEEPEST, LAST_STEEPEST = 30.0, 6.0
# The part of a run over which it falls.
FALLS_FROM, FALLS_TO = 0.4, 0.7


class Losses(NamedTuple):
    """The loss and its parts; float32 scalars.

    Attributes:
        total: the loss.
        contrast: cross-entropy of texts against clips and clips against texts, in nats.
        floor: the least possible contrast: the entropy of the targets, in nats.
        together: mean of 1 - cosine of texts and their own clips.
        gap: squared length of the difference of the mean text and the mean clip.
        steepness: the factor of the cosines.
    """

    total: jax.Array
    contrast: jax.Array
    floor: jax.Array
    together: jax.Array
    gap: jax.Array
    steepness: jax.Array


def steepest(share: float) -> float:
    """Returns the greatest factor of the cosines after a share of a run's steps, in [0, 1]."""
    fallen = min(max((share - FALLS_FROM) / (FALLS_TO - FALLS_FROM), 0.0), 1.0)
    return FIRST_STEEPEST * (LAST_STEEPEST / FIRST_STEEPEST) ** fallen


def losses(
    texts: jax.Array,
    clips: jax.Array,
    distances: jax.Array,
    log_steepness: jax.Array,
    steepest: jax.Array,
) -> Losses:
    """Compares a batch of texts with the clips that they describe, row by row.

    A text fits many clips of a batch, some better than others, so targets are soft:
    proportional to exp(-distance).

    Args:
        texts: float32 [row, rank], rows of length 1.
        clips: float32 [row, rank], rows of length 1; of the piece that the text was made for.
        distances: float32 [text, clip], >= 0.
        log_steepness: float32 scalar, learned: natural logarithm of the factor of the cosines.
        steepest: float32 scalar; the greatest factor.
    """
    steepness = jnp.minimum(jnp.exp(log_steepness), steepest)
    cosines = jnp.matmul(texts, clips.T, precision=jax.lax.Precision.HIGHEST)
    scores = steepness * cosines  # [text, clip]
    by_text, by_clip = _cross(scores, -distances), _cross(scores.T, -distances.T)
    contrast = (by_text[0] + by_clip[0]) / 2
    floor = (by_text[1] + by_clip[1]) / 2
    together = jnp.mean(1 - jnp.diagonal(cosines))
    gap = jnp.sum(jnp.square(texts.mean(axis=0) - clips.mean(axis=0)))
    total = contrast + TOGETHER * together + GAP * gap
    return Losses(total, contrast, floor, together, gap, steepness)


def _cross(scores: jax.Array, fits: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Returns the cross-entropy of softmax(scores) against softmax(fits), and its least value."""
    targets = jax.nn.softmax(fits, axis=1)
    return (
        -jnp.mean(jnp.sum(targets * jax.nn.log_softmax(scores, axis=1), axis=1)),
        -jnp.mean(jnp.sum(targets * jax.nn.log_softmax(fits, axis=1), axis=1)),
    )


def contradiction(
    true: jax.Array,
    false: jax.Array,
    clips: jax.Array,
    log_steepness: jax.Array,
    steepest: jax.Array,
) -> jax.Array:
    """Returns the mean loss, in nats, of telling a true text from one that contradicts a clip.

    Args:
        true: float32 [row, rank], rows of length 1; texts that fit the clips.
        false: float32 [row, rank], likewise; texts that contradict them in one fact.
        clips: float32 [row, rank], rows of length 1.
        log_steepness: see `losses`.
        steepest: see `losses`.

    Returns:
        float32 scalar; log 2 if the clips are as near to the one as to the other.
    """
    steepness = jnp.minimum(jnp.exp(log_steepness), steepest)
    nearer = jnp.sum((true - false) * clips, axis=1)
    return jnp.mean(jax.nn.softplus(-steepness * nearer))
