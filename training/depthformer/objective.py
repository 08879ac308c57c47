"""What training makes small: how surprising each code is among those of its own level."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from stages.depthformer.model import Depthformer
from stages.depthformer.vocabulary import CODEC_OFFSET
from training.depthformer.examples import Batch

# Levels that metrics are grouped by: each group ends before the number.
GROUP_ENDS = (1, 4, 8, 16)


def level_weights(levels: int, finest: float) -> np.ndarray:
    """How much each level counts: 1 for the coarsest, falling evenly, by factors, to `finest`.

    Args:
        levels: how many.
        finest: above 0.

    Returns:
        float32 [level], of mean 1.
    """
    weights = finest ** np.linspace(0, 1, levels)
    return (weights / weights.mean()).astype(np.float32)


def groups(levels: int) -> dict[str, slice]:
    """The groups of levels by the name of their metric."""
    found, first = {}, 0
    for last in (*(end for end in GROUP_ENDS if end < levels), levels):
        name = f"level_{first}" if last == first + 1 else f"levels_{first}_to_{last - 1}"
        found[name] = slice(first, last)
        first = last
    return found


def surprise(model: Depthformer, batch: Batch) -> jax.Array:
    """The negative logarithm of every right code's probability, as the sampler computes it.

    The sampler chooses among a step's own codes alone (`choice.OwnLevel`), so probabilities are
    shared out among those alone.

    Returns:
        float32 [row, frame, level], in nats.
    """
    prompt, codes = jnp.asarray(batch.prompt), jnp.asarray(batch.codes)
    levels, size = model.config.num_levels, model.config.codebook_size
    starts = CODEC_OFFSET + size * jnp.arange(levels, dtype=codes.dtype)
    forced = model.forced(model.encode(prompt), prompt, codes + starts[None, None])
    logits = model.own_level_logits(forced.normed)
    right = jnp.take_along_axis(logits, codes[..., None], axis=-1)[..., 0]
    return jax.nn.logsumexp(logits, axis=-1) - right


def make_loss(
    graph: nnx.GraphDef, levels: int, finest_weight: float
) -> Callable[[Any, Batch], tuple[jax.Array, Mapping[str, jax.Array]]]:
    """The function that `training.optimizer.make_step` takes.

    Args:
        graph: of `nnx.split(model)`.
        levels: codec levels.
        finest_weight: as `level_weights` takes it.

    Returns:
        A function of (state, batch) that gives the weighted mean of `surprise`, and its plain
        means by group of levels.
    """
    weights = level_weights(levels, finest_weight)

    def loss(state: Any, batch: Batch) -> tuple[jax.Array, Mapping[str, jax.Array]]:
        nats = surprise(nnx.merge(graph, state), batch)
        by_level = nats.mean(axis=(0, 1))
        means = {name: by_level[group].mean() for name, group in groups(levels).items()}
        return (by_level * weights).mean(), means

    return loss
