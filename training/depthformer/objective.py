"""The loss: the surprise (negative log-probability) of each code among those of its own level."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from soundstage.stages.depthformer.model import Depthformer
from soundstage.stages.depthformer.vocabulary import CODEC_OFFSET
from soundstage.training.depthformer.examples import Batch
from soundstage.training.optimizer import Loss

# Metrics are reported for groups of levels: each group ends before one of these levels.
GROUP_ENDS = (1, 4, 8, 16)
# The levels below this one are trained in every frame.
COARSE_LEVELS = 4


def level_weights(levels: int, finest: float) -> np.ndarray:
    """Returns the weights of levels, which fall geometrically from the coarsest to the finest.

    Args:
        levels: number of levels.
        finest: weight of the finest level relative to the coarsest, above 0.

    Returns:
        float32 [level], of mean 1.
    """
    weights = finest ** np.linspace(0, 1, levels)
    return (weights / weights.mean()).astype(np.float32)


def groups(levels: int) -> dict[str, slice]:
    """Returns the groups of levels by the name of their metric."""
    by_name, first = {}, 0
    for last in (*(end for end in GROUP_ENDS if end < levels), levels):
        name = f"level_{first}" if last == first + 1 else f"levels_{first}_to_{last - 1}"
        by_name[name] = slice(first, last)
        first = last
    return by_name


def surprise(model: Depthformer, batch: Batch) -> jax.Array:
    """Returns the negative logarithm of every right code's probability, as the sampler computes it.

    The sampler chooses among the codes of one level (`choice.OwnLevel`), so the probabilities of
    these codes sum to 1.

    Returns:
        float32 [row, frame, level], in nats.
    """
    ids = code_ids(model, batch.codes)
    return surprise_of_frames(model, _temporal(model, batch, ids), ids)


def level_means(model: Depthformer, batch: Batch, fine_every: int) -> jax.Array:
    """Returns the mean of `surprise` over rows and frames, for fine levels over some frames only.

    A frame's fine levels cost most of the time and teach the least.

    Args:
        model: the network.
        batch: the number of its frames is a multiple of `fine_every`.
        fine_every: the fine levels of one frame in so many count, from frame `batch.phase` on.

    Returns:
        float32 [level], in nats.
    """
    ids = code_ids(model, batch.codes)
    temporal = _temporal(model, batch, ids)
    if fine_every == 1 or ids.shape[2] <= COARSE_LEVELS:
        return surprise_of_frames(model, temporal, ids).mean(axis=(0, 1))
    coarse = surprise_of_frames(model, temporal, ids[:, :, :COARSE_LEVELS]).mean(axis=(0, 1))
    phase = jnp.asarray(batch.phase) % fine_every

    def chosen(x: jax.Array) -> jax.Array:
        B, T, *rest = x.shape
        return x.reshape(B, T // fine_every, fine_every, *rest)[:, :, phase]

    fine = surprise_of_frames(model, chosen(temporal), chosen(ids)).mean(axis=(0, 1))
    return jnp.concatenate([coarse, fine[COARSE_LEVELS:]])


def code_ids(model: Depthformer, codes: np.ndarray) -> jax.Array:
    """Returns the vocabulary ids of codes, int32 [row, frame, level]."""
    size, levels = model.config.codebook_size, model.config.num_levels
    starts = CODEC_OFFSET + size * np.arange(levels, dtype=np.int32)
    return jnp.asarray(codes) + starts[None, None]


def _temporal(model: Depthformer, batch: Batch, ids: jax.Array) -> jax.Array:
    prompt = jnp.asarray(batch.prompt)
    return model.forced_temporal(model.encode(prompt), prompt, ids)


def surprise_of_frames(model: Depthformer, temporal: jax.Array, ids: jax.Array) -> jax.Array:
    """Returns the surprise of the levels that `ids` holds, float32 [row, frame, level]."""
    logits = model.own_level_logits(model.forced_depth(temporal, ids)[1])
    size, levels = model.config.codebook_size, ids.shape[2]
    starts = CODEC_OFFSET + size * jnp.arange(levels, dtype=ids.dtype)
    codes = ids - starts[None, None]
    right = jnp.take_along_axis(logits, codes[..., None], axis=-1)[..., 0]
    return jax.nn.logsumexp(logits, axis=-1) - right


def make_loss(
    graph: nnx.GraphDef,
    levels: int,
    finest_weight: float,
    fine_every: int = 1,
) -> Loss:
    """Makes the loss that `training.optimizer.make_step` takes.

    Args:
        graph: the first value of `nnx.split(model)`.
        levels: codec levels.
        finest_weight: as `level_weights` takes it.
        fine_every: as `level_means` takes it.

    Returns:
        A function of (state, batch) that returns the weighted mean of `surprise`, and its
        unweighted means by group of levels.
    """
    weights = level_weights(levels, finest_weight)

    def loss(state: Any, batch: Batch) -> tuple[jax.Array, Mapping[str, jax.Array]]:
        by_level = level_means(nnx.merge(graph, state), batch, fine_every)
        means = {name: by_level[group].mean() for name, group in groups(levels).items()}
        return (by_level * weights).mean(), means

    return loss
