"""One step of gradient descent: AdamW, warm-up and cosine, clipping, averaged weights."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

# (params, batch) -> the loss, and metrics to log: all float32 scalars.
Loss = Callable[[Any, Any], tuple[jax.Array, Mapping[str, jax.Array]]]


@dataclass(frozen=True)
class OptimizerParams:
    """How weights are updated.

    Attributes:
        rate: the learning rate after warm-up.
        warmup_steps: steps over which it rises from 0.
        schedule_steps: steps, warm-up included, until it has fallen to `last_rate`, by a cosine.
        last_rate: what remains of it then and later, as a fraction.
        clip_norm: the largest norm of all gradients together.
        weight_decay: per step and rate, for arrays of two dimensions or more.
        momentum: decay of the mean of gradients.
        square_momentum: decay of the mean of their squares.
        average_decay: decay of the averaged weights; 0 = keep none.

    Raises:
        ValueError: a value is impossible.
    """

    rate: float = 1e-3
    warmup_steps: int = 100
    schedule_steps: int = 10_000
    last_rate: float = 0.1
    clip_norm: float = 1.0
    weight_decay: float = 0.0
    momentum: float = 0.9
    square_momentum: float = 0.99
    average_decay: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.warmup_steps < self.schedule_steps:
            raise ValueError(
                f"warmup_steps {self.warmup_steps} must be below schedule_steps "
                f"{self.schedule_steps}"
            )
        if not (self.rate > 0 and self.clip_norm > 0 and 0 <= self.average_decay < 1):
            raise ValueError("rate and clip_norm must be above 0, average_decay in [0, 1)")


class TrainState(NamedTuple):
    """Weights and everything else that a step changes.

    Attributes:
        params: a tree of float32 arrays, such as the state of `nnx.split(module)`.
        optimizer: optax's state.
        average: the exponential mean of `params`; None = not kept.
        step: int32 scalar, updates done.
    """

    params: Any
    optimizer: Any
    average: Any
    step: jax.Array

    @property
    def best(self) -> Any:
        """The weights to use: the averaged ones if they are kept."""
        return self.params if self.average is None else self.average


def make_optimizer(params: OptimizerParams) -> optax.GradientTransformation:
    """Makes AdamW with clipping and a schedule that depends on the step alone."""
    return optax.chain(
        optax.clip_by_global_norm(params.clip_norm),
        optax.scale_by_adam(b1=params.momentum, b2=params.square_momentum),
        optax.add_decayed_weights(params.weight_decay, mask=_decays),
        optax.scale_by_learning_rate(_schedule(params)),
    )


def _decays(weights: Any) -> Any:
    return jax.tree.map(lambda array: array.ndim > 1, weights)


def _schedule(params: OptimizerParams) -> optax.Schedule:
    return optax.warmup_cosine_decay_schedule(
        init_value=0.0,
        peak_value=params.rate,
        warmup_steps=params.warmup_steps,
        decay_steps=params.schedule_steps,
        end_value=params.rate * params.last_rate,
    )


def start(weights: Any, params: OptimizerParams) -> TrainState:
    """Makes the state before the first step."""
    # All numbers of the first state are 0. `init` would compile a program for each shape.
    shapes = jax.eval_shape(make_optimizer(params).init, weights)
    optimizer = jax.tree.map(lambda leaf: jax.device_put(np.zeros(leaf.shape, leaf.dtype)), shapes)
    # A copy: a step donates the buffers of params while the average still needs its own.
    average = jax.device_put(weights, may_alias=False) if params.average_decay else None
    return TrainState(weights, optimizer, average, jnp.int32(0))


def update(state: TrainState, gradients: Any, params: OptimizerParams) -> TrainState:
    """Takes one step along gradients; pure, for use inside `jax.jit`.

    Args:
        state: before the step.
        gradients: a tree like `state.params`.
        params: the same as `start` was given.

    Returns:
        The state after the step.
    """
    with jax.numpy_dtype_promotion("standard"):  # optax raises floats to its integer step count
        changes, optimizer = make_optimizer(params).update(gradients, state.optimizer, state.params)
    weights = optax.apply_updates(state.params, changes)
    average = state.average
    if average is not None:
        average = jax.tree.map(_toward(params.average_decay, state.step), average, weights)
    return TrainState(weights, optimizer, average, state.step + 1)


def _toward(decay: float, step: jax.Array) -> Callable[[jax.Array, jax.Array], jax.Array]:
    # Over few steps the mean must be short, or the initial weights would dominate it.
    done = step.astype(jnp.float32)
    kept = jnp.minimum(jnp.float32(decay), (1 + done) / (10 + done))
    return lambda mean, new: mean * kept + new * (1 - kept)


def make_step(
    loss: Loss, params: OptimizerParams
) -> Callable[[TrainState, Any], tuple[TrainState, dict[str, jax.Array]]]:
    """Compiles a whole training step for `training.loop.train`.

    Args:
        loss: the function to minimise.
        params: how weights are updated.

    Returns:
        A function of (state, batch) that returns the next state and the metrics, "loss" and
        "gradient_norm" among them. It donates the old state's buffers: do not use it again.
    """

    def step(state: TrainState, batch: Any) -> tuple[TrainState, dict[str, jax.Array]]:
        differentiated = jax.value_and_grad(loss, has_aux=True)
        (value, metrics), gradients = differentiated(state.params, batch)
        norm = optax.tree.norm(gradients)
        return update(state, gradients, params), {"loss": value, "gradient_norm": norm, **metrics}

    return jax.jit(step, donate_argnums=0)
