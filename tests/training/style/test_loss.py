"""The contrastive loss is least where texts lie on the clips that they fit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from soundstage.training.style.loss import losses, steepest

KINDS = np.repeat(np.eye(3, 8, dtype=np.float32), 2, axis=0)  # [row, rank]: two rows a kind
DISTANCES = jnp.asarray(4.0 * (KINDS @ KINDS.T < 0.5), jnp.float32)
STEEPNESS = jnp.float32(np.log(4.0))
STEEPEST = jnp.float32(6.0)


def test_texts_on_equally_fitting_clips_reach_the_floor():
    loss = losses(jnp.asarray(KINDS), jnp.asarray(KINDS), DISTANCES, STEEPNESS, STEEPEST)
    assert float(loss.contrast) == pytest.approx(float(loss.floor), abs=1e-5)
    assert float(loss.together) == pytest.approx(0, abs=1e-6)
    assert float(loss.total) == pytest.approx(float(loss.floor), abs=1e-5)


def test_random_texts_cost_more():
    random = np.random.default_rng(0)
    best = losses(jnp.asarray(KINDS), jnp.asarray(KINDS), DISTANCES, STEEPNESS, STEEPEST)
    for _ in range(10):
        rows = random.standard_normal(KINDS.shape).astype(np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        assert losses(
            jnp.asarray(rows), jnp.asarray(KINDS), DISTANCES, STEEPNESS, STEEPEST
        ).total > (best.total + 0.1)


def test_steepness_is_bounded():
    at = [
        losses(jnp.asarray(KINDS), jnp.asarray(KINDS), DISTANCES, jnp.float32(s), STEEPEST).total
        for s in (5.0, 9.0)
    ]
    assert at[0] == at[1]
    slope = jax.grad(
        lambda s: losses(jnp.asarray(KINDS), jnp.asarray(KINDS), DISTANCES, s, STEEPEST).total
    )(jnp.float32(9.0))
    assert float(slope) == 0.0


def test_bound_of_the_steepness_falls_once_in_a_run():
    bounds = [steepest(share) for share in (0, 0.4, 0.55, 0.7, 1, 2)]
    assert bounds == pytest.approx([30, 30, (30 * 6) ** 0.5, 6, 6, 6])
