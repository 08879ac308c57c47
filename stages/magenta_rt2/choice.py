"""How a level's code is chosen: guidance, cuts, temperature and noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp

from soundstage.stages.depthformer.choice import GREEDY, first_largest
from soundstage.stages.depthformer.cuts import keep_likely, keep_nucleus, keep_top

# Rows of a guided stream: as asked, without the style, without the notes.
GUIDED_ROWS = 3


class FrameSampling(NamedTuple):
    """The sampling settings of every row.

    Attributes:
        temperature: float32 [row], >= 0.
        top_k: int32 [row], >= 0; 0 = no cut.
        top_p: float32 [row], in [0, 1]; None = no cut, as 1.
        min_p: float32 [row], in [0, 1]; None = no cut, as 0.
        guidance: float32 [2, row]; the weights of style and of notes, 0 = off; None = the model
            runs without the rows that guidance needs.
    """

    temperature: jax.Array
    top_k: jax.Array
    top_p: jax.Array | None = None
    min_p: jax.Array | None = None
    guidance: jax.Array | None = None


@dataclass(frozen=True)
class FrameChoice:
    """The rule by which a stream's codes are chosen.

    Attributes:
        sampling: the settings of every row.
    """

    sampling: FrameSampling

    def __call__(self, logits: jax.Array, noise: jax.Array) -> jax.Array:
        """Chooses the code of a level; see `choose`."""
        return choose(logits, noise, self.sampling)


def guided(logits: jax.Array, weights: jax.Array) -> jax.Array:
    """Applies guidance: c + w_style (c - c_without_style) + w_notes (c - c_without_notes).

    Args:
        logits: float32 [3 * row, codes]; all rows as asked, then without the style, then without
            the notes.
        weights: float32 [2, row].

    Returns:
        float32 [row, codes].

    Source: the Magenta RealTime 2 spec, section 5.
    """
    asked, without_style, without_notes = jnp.split(logits, GUIDED_ROWS)
    style, notes = weights[0, :, None], weights[1, :, None]
    return asked + style * (asked - without_style) + notes * (asked - without_notes)


def choose(logits: jax.Array, noise: jax.Array, sampling: FrameSampling) -> jax.Array:
    """Chooses the code of a level.

    Args:
        logits: float32 [rows of the model, codes].
        noise: float32 [row, codes], standard Gumbel.
        sampling: the settings of every row.

    Returns:
        int32 [rows of the model]; the first code on ties. All rows of a guided stream get one.

    Source: the Magenta RealTime 2 spec, section 4, "Choosing".
    """
    if sampling.guidance is not None:
        logits = guided(logits, sampling.guidance)
    greedy = (sampling.temperature <= GREEDY)[:, None]
    warm = logits / jnp.where(greedy, 1.0, sampling.temperature[:, None])
    warm = keep_top(warm, sampling.top_k)
    warm = warm if sampling.top_p is None else keep_nucleus(warm, sampling.top_p)
    warm = warm if sampling.min_p is None else keep_likely(warm, sampling.min_p)
    code = first_largest(jnp.where(greedy, logits, warm + noise))
    return code if sampling.guidance is None else jnp.tile(code, GUIDED_ROWS)
