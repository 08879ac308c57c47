"""The state before the first step."""

import jax
import jax.numpy as jnp
import numpy as np

from soundstage.training.optimizer import OptimizerParams, make_optimizer, start

WEIGHTS = {"matrix": jnp.ones((3, 4)), "vector": jnp.full(5, 2.0, jnp.bfloat16)}
PARAMS = OptimizerParams(average_decay=0.9)


def test_first_state_is_that_of_the_optimizer():
    state = start(WEIGHTS, PARAMS).optimizer
    expected = make_optimizer(PARAMS).init(WEIGHTS)
    assert jax.tree.structure(state) == jax.tree.structure(expected)
    for left, right in zip(jax.tree.leaves(state), jax.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(left, right, strict=True)
        assert left.weak_type == right.weak_type


def test_average_outlives_the_weights_it_starts_from():
    state = start(jax.tree.map(jnp.copy, WEIGHTS), PARAMS)
    for leaf in jax.tree.leaves(state.params):
        leaf.delete()
    for name, array in WEIGHTS.items():
        np.testing.assert_array_equal(state.average[name], array, strict=True)
