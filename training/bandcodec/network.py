"""The codec's network before training."""

import jax
import jax.numpy as jnp

from soundstage.stages.bandcodec.measures import Measures
from soundstage.stages.bandcodec.weights import Dense, NetworkWeights, weight_shapes

# The last layers, which begin at zero, so that an untrained network changes nothing.
LAST = ("bins", "sides")


def new_network(measures: Measures, seed: int) -> NetworkWeights:
    """Draws a network's weights; it changes nothing until it is trained."""
    shapes = weight_shapes(measures).network
    keys = jax.random.split(jax.random.key(seed), len(shapes))
    layers = {}
    for name, key, shape in zip(NetworkWeights._fields, keys, shapes, strict=True):
        drawn = jax.nn.initializers.lecun_normal()(key, shape.kernel, jnp.float32)
        kernel = jnp.zeros(shape.kernel) if name in LAST else drawn
        layers[name] = Dense(kernel, jnp.zeros(shape.bias))
    return NetworkWeights(**layers)
