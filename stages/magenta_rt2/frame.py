"""One frame: the layers over frames, then level by level a choice of its code."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from soundstage.stages.magenta_rt2.config import RESERVED
from soundstage.stages.magenta_rt2.model import LayerCache, MagentaRt2
from soundstage.stages.magenta_rt2.steps import BY_MODULES, Choose, FrameSteps, LevelHead


class Heads(NamedTuple):
    """The head by level, contiguous, so that a level reads only its own columns.

    Attributes:
        kernel: [L, d, codes].
        bias: [L, codes].
    """

    kernel: jax.Array
    bias: jax.Array


class FrameStart(NamedTuple):
    """What a step reads.

    Attributes:
        ids: int32 [B, L]; the frame before, zeros where there is none.
        embedding: [B, E]; the embedded conditioning of this frame.
        places: int32 [B] twice; the step's place in the rings of self- and cross-attention.
        earlier: int32 [B]; earlier steps that exist, or any larger number.
    """

    ids: jax.Array
    embedding: jax.Array
    places: tuple[jax.Array, jax.Array]
    earlier: jax.Array


class FrameLevels(NamedTuple):
    """What the layers over levels make of a frame.

    Attributes:
        codes: int32 [B, L].
        logits: float32 [L, B, codes], of each level's own codes, behind the soft cap.
        normed: [L, B, d], the inputs of the head.
    """

    codes: jax.Array
    logits: jax.Array
    normed: jax.Array


def code_ids(model: MagentaRt2, codes: jax.Array) -> jax.Array:
    """Turns codes, int32 [..., L], into ids; -1, nothing yet, becomes 0."""
    starts = RESERVED + model.config.codes * jnp.arange(model.config.levels, dtype=jnp.int32)
    ids = codes + starts.reshape((1,) * (codes.ndim - 1) + (-1,))
    return jnp.where(codes < 0, 0, ids)


def frame_input(model: MagentaRt2, ids: jax.Array) -> jax.Array:
    """Returns what the layers over frames read: the mean embedding of [B, L], [B, D]."""
    return model.embed(ids).mean(axis=1)


def temporal_step(
    model: MagentaRt2,
    start: FrameStart,
    caches: tuple[LayerCache, ...],
    steps: FrameSteps = BY_MODULES,
) -> tuple[jax.Array, tuple[LayerCache, ...]]:
    """Runs the layers over frames; returns [B, D], and the caches with this frame."""
    x = frame_input(model, start.ids)
    return steps.temporal(model, x, start.embedding, caches, start.places, start.earlier)


def depth_steps(
    model: MagentaRt2,
    heads: Heads,
    x: jax.Array,
    choose: Choose,
    noise: jax.Array,
    steps: FrameSteps = BY_MODULES,
) -> FrameLevels:
    """Chooses the codes of a frame, level by level.

    Args:
        model: the network.
        heads: its head by level.
        x: [B, D], the temporal output.
        choose: chooses the code of a level.
        noise: [L, ...], what `choose` gets, level by level.
        steps: how the layers make a step.
    """
    rows, levels = x.shape[0], model.config.levels

    def step(carry: tuple, head: LevelHead) -> tuple[tuple, tuple]:
        x, caches = carry
        y, caches = steps.depth(model, x, caches, head.level)
        logits, code, x = steps.choose(model, y, head, choose, noise)
        return (x, caches), (code, logits, y)

    start = (x, steps.empty_levels(model, rows))
    if steps.constant_levels:
        results = []
        for level in range(levels):
            own = (heads.kernel[level], heads.bias[level], noise[level])
            start, result = step(start, LevelHead(jnp.asarray(level, jnp.int32), *own))
            results.append(result)
        chosen, logits, normed = map(jnp.stack, zip(*results, strict=True))
    else:
        given = LevelHead(jnp.arange(levels), heads.kernel, heads.bias, noise)
        _, (chosen, logits, normed) = jax.lax.scan(step, start, given, unroll=steps.unrolled)
    return FrameLevels(chosen.T, logits, normed)
