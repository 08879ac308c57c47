"""Networks that are loaded as arrays, without Flax.

Importing Flax takes a tenth of the time from the command to the first sound. Only tracing needs it,
and programs that are kept (`kernels.programs`) are not traced: for them a network is its arrays,
and the shapes that these must have are kept, too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from soundstage.kernels.program_files import keep, read
from soundstage.source_code import source_digest
from soundstage.stages.weights.array_source import (
    ArraySource,
    WeightsError,
    check_finite,
    check_shape,
)
from soundstage.stages.weights.random_weights import Initial, RandomSource

if TYPE_CHECKING:
    from flax import nnx

M = TypeVar("M")
Shapes = Mapping[str, tuple[int, ...]]
SHOWN_NAMES = 5


@dataclass(frozen=True)
class Network(Generic[M]):
    """A network with its weights in place.

    Attributes:
        config: its sizes.
        arrays: the weights by path: attribute names and list indices, joined by slashes.
        around: returns the module with other arrays of these paths, such as those that a trace is
            given; loads Flax.
    """

    config: Any
    arrays: dict[str, jax.Array]
    around: Callable[[Mapping[str, jax.Array]], M]

    @property
    def device(self) -> jax.Device:
        """The device of the weights."""
        device: jax.Device = next(iter(next(iter(self.arrays.values())).sharding.device_set))
        return device

    @cached_property
    def module(self) -> M:
        """The network as a module of Flax."""
        return self.around(self.arrays)


@dataclass(frozen=True)
class Blueprint(Generic[M]):
    """What a network is built from.

    Attributes:
        maker: loads Flax, and returns what builds the network: one object for equal sizes, see
            `modules.structure`. The network's state must be `nnx.Param`s alone.
        config: the sizes, for the network's users.
        place: the full name of the Python module that has the network's class, if its source code
            and `repr(config)` determine all shapes: they are kept then. None = they are traced.
    """

    maker: Callable[[], Callable[[nnx.Rngs], M]]
    config: Any = None
    place: str | None = None

    def around(self, arrays: Mapping[str, jax.Array]) -> M:
        """Returns the module with arrays, by path."""
        from soundstage.stages.weights.modules import with_arrays

        maker: Any = self.maker()
        module: M = with_arrays(maker, arrays)
        return module

    def shapes(self) -> Shapes:
        """Returns the shapes of the arrays, by path: kept ones, or those that a trace tells."""
        if self.place is None:
            return self._traced_shapes()
        words = ("shapes", self.place, source_digest(self.place), repr(self.config))
        name = hashlib.sha256("\n".join(words).encode()).hexdigest()
        content = read(name)
        if content is None:
            shapes = self._traced_shapes()
            keep(name, json.dumps(shapes).encode())
            return shapes
        return {path: tuple(shape) for path, shape in json.loads(content).items()}

    def _traced_shapes(self) -> Shapes:
        from soundstage.stages.weights.modules import module_shapes

        maker: Any = self.maker()
        return module_shapes(maker)


@dataclass(frozen=True)
class LoadedNetwork(Generic[M]):
    """A network and where its weights come from.

    Attributes:
        network: the network.
        digest: SHA-256, as hex digits, over the sorted published names and float32 bytes.
        note: where the weights come from, for people.
    """

    network: Network[M]
    digest: str
    note: str


def load_network(
    blueprint: Blueprint[M],
    source: ArraySource,
    published_name: Callable[[str], str],
    device: jax.Device | None,
    dtype: jnp.dtype = jnp.float32,
    *,
    initial: Initial | None = None,
    elsewhere: tuple[str, ...] = (),
    in_float32: tuple[str, ...] = (),
) -> LoadedNetwork[M]:
    """Loads the arrays of a network, one after the other.

    Peak memory is the weights plus one array.

    Args:
        blueprint: of the network.
        source: the arrays; stays open.
        published_name: turns a parameter's path into its published bare name.
        device: the device that holds the arrays; None = JAX's default.
        dtype: the arrays' type on the device.
        initial: scaling of random weights instead of `default_initial`; unused for files.
        elsewhere: prefixes of the names in the source that belong to other networks.
        in_float32: published names of arrays that stay float32 whatever `dtype` is.

    Raises:
        WeightsError: an array is missing, left over, of another shape, not finite or unreadable.
    """
    if initial is not None and isinstance(source, RandomSource):
        source = RandomSource(source.seed, initial)
    shapes = blueprint.shapes()
    paths = paths_by_name(shapes, published_name)
    _check_complete(source, paths, elsewhere)
    digest = hashlib.sha256()
    arrays = {}
    for name in sorted(paths):  # the digest depends on the order
        shape = shapes[paths[name]]
        array = source.read(name, shape)
        check_shape(source.note, name, array.shape, shape)
        check_finite(source.note, name, array)
        digest.update(name.encode())
        digest.update(array.reshape(-1).data)
        # Rounded on the host, so that the device never holds more than the final arrays.
        kept: Any = jnp.float32 if name in in_float32 else dtype
        arrays[paths[name]] = jax.device_put(np.asarray(array).astype(kept, copy=False), device)
    network = Network(blueprint.config, arrays, blueprint.around)
    return LoadedNetwork(network, digest.hexdigest(), source.note)


def abstract_network(
    blueprint: Blueprint[M],
    published_name: Callable[[str], str],
    device: jax.Device,
    dtype: jnp.dtype = jnp.float32,
    in_float32: tuple[str, ...] = (),
) -> Network[M]:
    """Returns the network that `load_network` would, with shapes for a device in place of arrays.

    The device may be one that a program is compiled for without being there. The arguments are
    those of `load_network`.
    """
    sharding = jax.sharding.SingleDeviceSharding(device)
    shapes = blueprint.shapes()
    arrays: dict[str, Any] = {}
    for name, path in paths_by_name(shapes, published_name).items():
        kept: Any = jnp.float32 if name in in_float32 else dtype
        arrays[path] = jax.ShapeDtypeStruct(shapes[path], kept, sharding=sharding)
    return Network(blueprint.config, arrays, blueprint.around)


def paths_by_name(paths: Iterable[str], published_name: Callable[[str], str]) -> dict[str, str]:
    """Returns the paths of parameters by their published names.

    Raises:
        TypeError: two share a name.
    """
    known: dict[str, str] = {}
    for path in paths:
        name = published_name(path)
        if name in known:
            raise TypeError(f"{path} and {known[name]} share the published name {name}")
        known[name] = path
    return known


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
