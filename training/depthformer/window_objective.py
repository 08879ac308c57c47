"""The loss of windows: the surprise of each code, at fewer frames for finer levels.

Fine levels cost most of the time and teach the least: what the past tells is in the coarsest.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from soundstage.stages.depthformer.model import Depthformer
from soundstage.training.depthformer.objective import (
    code_ids,
    groups,
    level_weights,
    surprise_of_frames,
)
from soundstage.training.depthformer.windows import Windows
from soundstage.training.optimizer import Loss

# Levels up to the first number of each pair are computed for one frame in the second number.
LEVELS_EVERY = ((1, 1), (4, 3), (16, 15))


def window_surprise(model: Depthformer, batch: Windows) -> list[jax.Array]:
    """Returns the negative logarithm of every right code's probability.

    Args:
        model: the network.
        batch: the number of its frames is a multiple of 15; its step selects the frames of fine
            levels.

    Returns:
        Nats, float32 [row, chosen frame, level]: of level 0, of levels 1 to 3, of the others.
    """
    seen, ids = code_ids(model, batch.seen), code_ids(model, batch.codes)
    style = jnp.asarray(batch.style)
    temporal = model.forced_sequence(model.encode(style), style, seen, batch.conditions)
    parts, first = [], 0
    for last, every in LEVELS_EVERY:
        phase = jnp.asarray(batch.step) % every
        nats = surprise_of_frames(
            model, _chosen(temporal, every, phase), _chosen(ids, every, phase)[:, :, :last]
        )
        parts.append(nats[:, :, first:])
        first = last
    return parts


def _chosen(x: jax.Array, every: int, phase: jax.Array) -> jax.Array:
    """Chooses one frame in `every`, from frame `phase` on: [B, T, ...] -> [B, T / every, ...]."""
    B, T, *rest = x.shape
    return x.reshape(B, T // every, every, *rest)[:, :, phase]


def make_window_loss(
    graph: nnx.GraphDef, levels: int, finest_weight: float, onset_weight: float
) -> Loss:
    """Makes the loss that `training.optimizer.make_step` takes.

    Args:
        graph: the first value of `nnx.split(model)`.
        levels: codec levels.
        finest_weight: as `level_weights` takes it.
        onset_weight: extra weight of a frame with the strongest onsets.

    Returns:
        A function of (state, batch) that returns the weighted mean of the surprise, and unweighted
        means by group of levels, also of level 0 in the second half and at onsets.
    """
    weights = level_weights(levels, finest_weight)

    def loss(state: Any, batch: Windows) -> tuple[jax.Array, Mapping[str, jax.Array]]:
        parts = window_surprise(nnx.merge(graph, state), batch)
        onsets = jnp.asarray(batch.onsets)
        by_frame = 1 + onset_weight * onsets
        weighted = []
        for nats, (_, every) in zip(parts, LEVELS_EVERY, strict=True):
            chosen = _chosen(by_frame, every, jnp.asarray(batch.step) % every)[:, :, None]
            weighted.append((nats * chosen).mean(axis=(0, 1)) / chosen.mean())
        means = jnp.concatenate([nats.mean(axis=(0, 1)) for nats in parts])
        metrics = {name: means[group].mean() for name, group in groups(levels).items()}
        first = parts[0][:, :, 0]
        metrics["level_0_late"] = first[:, first.shape[1] // 2 :].mean()
        metrics["level_0_onsets"] = (first * onsets).sum() / (onsets.sum() + 1e-6)
        return (jnp.concatenate(weighted) * weights).mean(), metrics

    return loss
