"""Loads weights into networks, and takes them out again to save them."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Generic, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from soundstage.stages.weights.array_source import (
    ArraySource,
    WeightsError,
    check_finite,
    check_shape,
)
from soundstage.stages.weights.random_weights import Initial, RandomSource
from soundstage.stages.weights.safetensors_files import write_safetensors

M = TypeVar("M", bound=nnx.Module)
SHOWN_NAMES = 5
KEPT_STRUCTURES = 8


class _OneKey(nnx.Rngs):
    """Random numbers from one key: a key for each array is most of the time of a trace."""

    def params(self) -> jax.Array:
        """Returns the key of every array."""
        return jax.random.key(0)


@dataclass(frozen=True)
class Loaded(Generic[M]):
    """A network with its weights in place.

    Attributes:
        module: the network.
        digest: SHA-256, as hex digits, over the sorted published names and float32 bytes.
        note: where the weights come from, for people.
    """

    module: M
    digest: str
    note: str


def load_module(
    make: Callable[[nnx.Rngs], M],
    source: ArraySource,
    published_name: Callable[[str], str],
    device: jax.Device | None,
    dtype: jnp.dtype = jnp.float32,
    *,
    initial: Initial | None = None,
    elsewhere: tuple[str, ...] = (),
    in_float32: tuple[str, ...] = (),
) -> Loaded[M]:
    """Builds a network and streams its weights in, array by array.

    Peak memory is the weights plus one array. The network's state must be `nnx.Param`s alone.

    Args:
        make: builds the network; called once, abstractly. Its structure is kept for further loads
            with the same function object.
        source: the arrays; stays open.
        published_name: turns a parameter's path, attribute names and list indices joined by
            slashes (`layers/0/mlp/wi_0/kernel`), into its published bare name.
        device: the device that holds the network; None = JAX's default.
        dtype: the arrays' type on the device.
        initial: scaling of random weights instead of `default_initial`; unused for files.
        elsewhere: prefixes of the names in the source that belong to other networks.
        in_float32: published names of arrays that stay float32 whatever `dtype` is.

    Raises:
        WeightsError: an array is missing, left over, of another shape, not finite or unreadable.
    """
    if initial is not None and isinstance(source, RandomSource):
        source = RandomSource(source.seed, initial)
    graph, state = structure(make)
    paths = _paths_by_name(state, published_name)
    _check_complete(source, paths, elsewhere)
    digest = hashlib.sha256()

    def put(name: str, array: np.ndarray) -> jax.Array:
        # Rounded on the host, so that the device never holds more than the final arrays.
        kept = jnp.float32 if name in in_float32 else dtype
        return jax.device_put(array.astype(kept, copy=False), device)

    filled = _filled(paths, source, digest, put)
    module = nnx.merge(graph, nnx.from_flat_state(dict(filled)))
    return Loaded(module, digest.hexdigest(), source.note)


def abstract_module(
    make: Callable[[nnx.Rngs], M],
    published_name: Callable[[str], str],
    device: jax.Device,
    dtype: jnp.dtype = jnp.float32,
    in_float32: tuple[str, ...] = (),
) -> M:
    """Builds the network that `load_module` would, with shapes for a device in place of arrays.

    The device may be one that a program is compiled for without being there. The arguments are
    those of `load_module`.
    """
    graph, state = structure(make)
    sharding = jax.sharding.SingleDeviceSharding(device)
    filled = {}
    for name, (path, leaf) in _paths_by_name(state, published_name).items():
        kept = jnp.float32 if name in in_float32 else dtype
        filled[path] = leaf.replace(jax.ShapeDtypeStruct(leaf.shape, kept, sharding=sharding))
    return nnx.merge(graph, nnx.from_flat_state(filled))


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


def _filled(
    paths: Mapping[str, tuple[tuple, nnx.Variable]],
    source: ArraySource,
    digest: "hashlib._Hash",
    put: Callable[[str, np.ndarray], jax.Array],
) -> Iterator[tuple[tuple, nnx.Variable]]:
    """Yields one filled variable after the other, by name: the digest depends on the order."""
    for name in sorted(paths):
        path, leaf = paths[name]
        array = source.read(name, tuple(leaf.shape))
        check_shape(source.note, name, array.shape, tuple(leaf.shape))
        check_finite(source.note, name, array)
        digest.update(name.encode())
        digest.update(array.reshape(-1).data)
        yield path, leaf.replace(put(name, array))


def _paths_by_name(
    state: nnx.State, published_name: Callable[[str], str]
) -> dict[str, tuple[tuple, nnx.Variable]]:
    paths: dict[str, tuple[tuple, nnx.Variable]] = {}
    for path, leaf in nnx.to_flat_state(state):
        name = published_name("/".join(str(part) for part in path))
        if not issubclass(type(leaf), nnx.Param):
            raise TypeError(f"{path} is a {type(leaf).__name__}: only nnx.Param can be loaded")
        if name in paths:
            raise TypeError(f"{path} and {paths[name][0]} share the published name {name}")
        paths[name] = (path, leaf)
    return paths


def _check_complete(source: ArraySource, needed: Iterable[str], elsewhere: tuple[str, ...]) -> None:
    names = source.names()
    if names is None:
        return
    missing = sorted(set(needed) - set(names))
    extra = sorted(name for name in set(names) - set(needed) if not name.startswith(elsewhere))
    problems = []
    if missing:
        problems.append(f"lacks {_summary(missing)}")
    if extra:
        problems.append(f"has {_summary(extra)}, which this network does not know")
    if problems:
        raise WeightsError(
            f"{source.note}: {' and '.join(problems)}; use the weights that belong to the network "
            "and size chosen"
        )


def _summary(names: list[str]) -> str:
    shown = ", ".join(names[:SHOWN_NAMES])
    more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
    return f"{len(names)} array{'s' if len(names) > 1 else ''} ({shown}{more})"


def parameter_arrays(
    module: nnx.Module, published_name: Callable[[str], str]
) -> dict[str, np.ndarray]:
    """Returns the arrays of a network by published name, as float32."""
    paths = _paths_by_name(nnx.state(module), published_name)
    return {
        name: np.asarray(jax.device_get(leaf[...])).astype(np.float32)
        for name, (_, leaf) in paths.items()
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
