"""Loading of a frame model, with clear words for checkpoints of other models and sizes."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from functools import lru_cache, partial

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from soundstage.stages.magenta_rt2.config import MagentaRt2Config, sizes
from soundstage.stages.magenta_rt2.model import MagentaRt2
from soundstage.stages.magenta_rt2.names import TABLE, kept_in_float32, published_name
from soundstage.stages.weights.array_source import ArraySource, WeightsError
from soundstage.stages.weights.networks import Blueprint, abstract_network, load_network
from soundstage.stages.weights.random_weights import default_initial

# The codec's arrays, which published files hold beside the frame model's.
CODEC = ("decoder/", "encoder/", "quantizer/")


def load_magenta_rt2(
    config: MagentaRt2Config, source: ArraySource, device: jax.Device | None
) -> tuple[MagentaRt2, str, str]:
    """Builds a frame model and loads its weights, array by array.

    With bfloat16 activations, arrays that the network would round at each use are kept in
    bfloat16: the result is the same, and a step moves half the bytes.

    Args:
        config: the sizes.
        source: as `stages.weights.sources.open_source` returns it; stays open. It may hold the
            codec's arrays, too.
        device: where the arrays go; None = JAX's default.

    Returns:
        The network, the SHA-256 of its float32 arrays as hex digits, and a note on the source of
        the weights.

    Raises:
        WeightsError: the arrays are those of another model or size, are missing, unknown, of
            another shape, not finite or unreadable.
    """
    names = source.names()
    if names is not None:
        _check_model(source.note, config, names)
    loaded = load_network(
        _blueprint(config),
        source,
        published_name,
        device,
        jnp.dtype(config.activation_dtype),
        initial=initial_values,
        elsewhere=CODEC,
        in_float32=kept_in_float32(names or ()),
    )
    return loaded.network.module, loaded.digest, loaded.note


def abstract_magenta_rt2(config: MagentaRt2Config, device: jax.Device) -> MagentaRt2:
    """Returns a frame model with the shapes of its arrays on a device, which need not be there."""
    dtype, in_float32 = jnp.dtype(config.activation_dtype), kept_in_float32(())
    return abstract_network(_blueprint(config), published_name, device, dtype, in_float32).module


def _blueprint(config: MagentaRt2Config) -> Blueprint[MagentaRt2]:
    return Blueprint(partial(magenta_rt2_maker, config))


@lru_cache(maxsize=8)
def magenta_rt2_maker(config: MagentaRt2Config) -> Callable[[nnx.Rngs], MagentaRt2]:
    """Returns what builds a frame model: one object for equal sizes, see `structure`."""
    return lambda rngs: MagentaRt2(config)


def initial_values(name: str, shape: tuple[int, ...], z: np.ndarray) -> np.ndarray:
    """Scales standard normal numbers to random weights with which no part is without effect."""
    kind = name.rsplit("/", 1)[-1]
    if kind == "per_dim_scale":
        return z * np.float32(0.5)
    if kind.startswith("sink_"):
        return z * np.float32(0.7)
    if "mulan_dequantizer" in name or "regular_embedder" in name:
        # The sum of 12 style levels and the mean of 132 other places then weigh the same.
        return z * np.float32(0.1 if "mulan_dequantizer" in name else 4.0)
    if kind != "kernel":
        return default_initial(name, shape, z)
    inner = math.prod(shape[1:]) if "output_projection" in name else shape[0]
    # A head of this size makes choices that neither are certain nor ignore the logits.
    gain = 2.2 if "to_logits" in name else 1.0
    return z * np.float32(gain / math.sqrt(inner))


def _check_model(note: str, config: MagentaRt2Config, names: Mapping[str, tuple[int, ...]]) -> None:
    """Refuses the arrays of another model or size.

    Raises:
        WeightsError: says whose arrays they are.
    """
    if TABLE not in names:
        kind = f"there is no {TABLE}"
        if "token_embedder/embedding" in names:
            kind = "these are the weights of Magenta RealTime v1's Depthformer"
        elif all(name.startswith(CODEC) for name in names):
            kind = "these are the weights of a codec"
        raise WeightsError(
            f"{note}: no frame model of Magenta RealTime 2: {kind}; give a file such as "
            "mrt2_small.safetensors"
        )
    if _measures(names) == _measures_of(config):
        return
    for name, other in sizes().items():
        if _measures(names) == _measures_of(other):
            raise WeightsError(
                f"{note}: holds the frame model of size {name!r}, which is not the size chosen; "
                f'write size = "{name}", or give the weights of the size chosen'
            )


def _measures(names: Mapping[str, tuple[int, ...]]) -> tuple[int, ...]:
    layers = {
        int(match[1])
        for name in names
        if (match := re.search(r"/temporal_body/transformer/x_layers_(\d+)/", name))
    }
    return (*names[TABLE], len(layers))


def _measures_of(config: MagentaRt2Config) -> tuple[int, ...]:
    return config.ids, config.temporal.dim, config.temporal.layers
