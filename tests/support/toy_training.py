"""A training run of a second: a line fitted to noise, with every part of the real loop."""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from soundstage.training.loop import Budget, train
from soundstage.training.optimizer import OptimizerParams, make_step, start
from soundstage.training.progress import SilentProgress

PARAMS = OptimizerParams(rate=1e-2, warmup_steps=5, schedule_steps=300, average_decay=0.9)
SEED = 3


def weights():
    return {"slope": -jnp.ones((4, 1)), "offset": jnp.zeros(1), "unused": jnp.zeros(40_000)}


def loss(weights, batch):
    x, y = batch
    output = jnp.tanh(x @ weights["slope"]) + weights["offset"][None]
    return jnp.square(output - y).mean(), {"largest": jnp.abs(output).max()}


def batch(step):
    draw = np.random.default_rng([SEED, step])
    x = draw.standard_normal((8, 4)).astype(np.float32)
    return x, np.sin(x.sum(axis=1, keepdims=True)).astype(np.float32)


def run_toy(run, steps, checkpoint_s=60.0, batches=batch, pause=None, progress=None):
    state = start(jax.tree.map(jnp.copy, weights()), PARAMS)
    budget = Budget(steps=steps, checkpoint_s=checkpoint_s, log_steps=5, pause=pause)
    step = make_step(loss, PARAMS)
    shown = progress or SilentProgress()
    return train(state, step, batches, budget, run, seed=SEED, progress=shown)


if __name__ == "__main__":
    run_toy(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
