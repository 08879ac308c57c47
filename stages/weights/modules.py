"""Networks as modules of Flax: loads weights into them, and takes them out again to save them."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np
from flax import nnx

from soundstage.stages.weights.networks import Network, paths_by_name
from soundstage.stages.weights.safetensors_files import write_safetensors

M = TypeVar("M", bound=nnx.Module)
KEPT_STRUCTURES = 8


class _OneKey(nnx.Rngs):
    """Random numbers from one key: a key for each array is most of the time of a trace."""

    def params(self) -> jax.Array:
        """Returns the key of every array."""
        return jax.random.key(0)


@lru_cache(maxsize=KEPT_STRUCTURES)
def structure(make: Callable[[nnx.Rngs], nnx.Module]) -> tuple[nnx.GraphDef, nnx.State]:
    """Returns a network's structure and its arrays' shapes, which tracing its constructor tells.

    Args:
        make: builds the network. What it gives is kept for further calls with the same function
            object.

    Returns:
        What `nnx.split` returns, with a `jax.ShapeDtypeStruct` in place of each array. Callers must
        not change the state.
    """
    return nnx.split(nnx.eval_shape(lambda: make(_OneKey(0))))


def module_shapes(make: Callable[[nnx.Rngs], nnx.Module]) -> dict[str, tuple[int, ...]]:
    """Returns the shapes of a network's arrays by path: attributes and indices, with slashes.

    Raises:
        TypeError: one is no `nnx.Param`.
    """
    return {path: tuple(leaf.shape) for path, (_, leaf) in _leaves(structure(make)[1]).items()}


def with_arrays(make: Callable[[nnx.Rngs], M], arrays: Mapping[str, Any]) -> M:
    """Returns a network with arrays by path; see `module_shapes`."""
    graph, state = structure(make)
    filled = {key: leaf.replace(arrays[path]) for path, (key, leaf) in _leaves(state).items()}
    return nnx.merge(graph, nnx.from_flat_state(filled))


def network_of(module: M, config: Any) -> Network[M]:
    """Returns a network with the arrays of a module, and its sizes."""
    graph, state = nnx.split(module)
    leaves = _leaves(state)

    def around(arrays: Mapping[str, jax.Array]) -> M:
        filled = {key: leaf.replace(arrays[path]) for path, (key, leaf) in leaves.items()}
        return nnx.merge(graph, nnx.from_flat_state(filled))

    arrays = {path: leaf.get_value() for path, (_, leaf) in leaves.items()}
    return Network(config, arrays, around)


def _leaves(state: nnx.State) -> dict[str, tuple[tuple, nnx.Variable]]:
    """Returns the keys and the variables of a state by path."""
    leaves = {}
    for key, leaf in nnx.to_flat_state(state):
        if not issubclass(type(leaf), nnx.Param):
            raise TypeError(f"{key} is a {type(leaf).__name__}: only nnx.Param can be loaded")
        leaves["/".join(str(part) for part in key)] = (key, leaf)
    return leaves


def parameter_arrays(
    module: nnx.Module, published_name: Callable[[str], str]
) -> dict[str, np.ndarray]:
    """Returns the arrays of a network by published name, as float32."""
    leaves = _leaves(nnx.state(module))
    return {
        name: np.asarray(jax.device_get(leaves[path][1][...])).astype(np.float32)
        for name, path in paths_by_name(leaves, published_name).items()
    }


def save_safetensors(
    arrays: Mapping[str, np.ndarray], path: Path, metadata: Mapping[str, str]
) -> None:
    """Writes float32 arrays, such as those of `parameter_arrays`, to a safetensors file atomically.

    Args:
        arrays: float32, by published name.
        path: the file; its folder must exist.
        metadata: strings kept in the file's header.

    Raises:
        OSError: the folder cannot be written.
    """
    write_safetensors(arrays, path, metadata)
