"""Loading of a Depthformer."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from soundstage.stages.depthformer.compact import unfolded
from soundstage.stages.depthformer.config import DepthformerConfig
from soundstage.stages.weights.array_source import ArraySource
from soundstage.stages.weights.networks import Blueprint, Network, abstract_network, load_network
from soundstage.stages.weights.random_weights import Initial, default_initial

if TYPE_CHECKING:
    from flax import nnx

    from soundstage.stages.depthformer.model import Depthformer

TEMPORAL_BIAS = "decoder/decoder/temporal_decoder/relpos_bias/rel_embedding"
HEAD = "decoder/logits_dense/kernel"
DEPTH_BIAS = "decoder/decoder/depth_decoder/relpos_bias_depth/rel_embedding"


def load_depthformer(
    config: DepthformerConfig, source: ArraySource, device: jax.Device | None
) -> tuple[Network[Depthformer], str, str]:
    """Loads the weights of a Depthformer, array by array.

    With bfloat16 activations every array but the head, which is used in float32, is kept in
    bfloat16. The result is the same, because the cast at each use would round the array in the
    same way, and decoding moves half the bytes.

    Args:
        config: the sizes; the numbers of relative-bias buckets are taken from the source if it
            lists its arrays.
        source: as `stages.weights.sources.open_source` returns it, whole or compact; stays open.
        device: where the arrays go; None = JAX's default.

    Returns:
        The network, the SHA-256 of its float32 arrays as hex digits, and a note on the source of
        the weights.

    Raises:
        WeightsError: arrays are missing, unknown, of another shape, not finite or unreadable.
    """
    shapes = source.names() or {}
    config = replace(
        config,
        temporal_buckets=_buckets(shapes, TEMPORAL_BIAS, config.temporal_buckets),
        depth_buckets=_buckets(shapes, DEPTH_BIAS, config.depth_buckets),
    )
    loaded = load_network(
        _blueprint(config),
        unfolded(source, config),
        published_name,
        device,
        jnp.dtype(config.activation_dtype),
        initial=initial_values(config),
        in_float32=(HEAD,),
    )
    return loaded.network, loaded.digest, loaded.note


def abstract_depthformer(config: DepthformerConfig, device: jax.Device) -> Network[Depthformer]:
    """Returns a Depthformer with the shapes of its arrays on a device, which need not be there."""
    dtype = jnp.dtype(config.activation_dtype)
    return abstract_network(_blueprint(config), published_name, device, dtype, (HEAD,))


def _blueprint(config: DepthformerConfig) -> Blueprint[Depthformer]:
    place = "soundstage.stages.depthformer.model"
    return Blueprint(partial(depthformer_maker, config), config, place)


@lru_cache(maxsize=8)
def depthformer_maker(config: DepthformerConfig) -> Callable[[nnx.Rngs], Depthformer]:
    """Returns what builds a Depthformer: one object for equal sizes, see `structure`."""
    from soundstage.stages.depthformer.model import Depthformer  # Flax: late

    return lambda rngs: Depthformer(config, rngs)


def published_name(path: str) -> str:
    """Returns the published name of a parameter.

    Args:
        path: attribute names and list indices, joined by slashes.

    Returns:
        The name, as listed in the Depthformer spec.
    """
    name = re.sub(r"layers/(\d+)", r"layers_\1", path)
    return re.sub(r"^decoder/(temporal|depth)_decoder/", r"decoder/\g<0>", name)


def initial_values(config: DepthformerConfig) -> Initial:
    """Returns the scaling of random weights: the default, and queries by the head width too."""

    def initial(name: str, shape: tuple[int, ...], z: np.ndarray) -> np.ndarray:
        values = default_initial(name, shape, z)
        if name.endswith("query/kernel"):
            # The network does not divide scores by sqrt(head width), so its queries start small.
            values *= np.float32(1 / math.sqrt(config.head_dim))
        return values

    return initial


def _buckets(shapes: Mapping[str, tuple[int, ...]], name: str, otherwise: int) -> int:
    shape = shapes.get(name, ())
    return int(shape[1]) if len(shape) == 2 else otherwise
