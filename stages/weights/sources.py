"""Weights: where they are found, and how they get into a network and out of it again."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Generic, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from soundstage.stages.weights.array_source import (
    ArraySource,
    WeightsError,
    bare_name,
    check_finite,
    check_shape,
)
from soundstage.stages.weights.models_folder import is_model_name, model_paths, models_folder
from soundstage.stages.weights.random_weights import Initial, RandomSource, default_initial
from soundstage.stages.weights.safetensors_files import SafetensorsSource, write_safetensors
from soundstage.stages.weights.t5x import T5xSource, is_t5x

__all__ = [
    "ArraySource",
    "Loaded",
    "RandomSource",
    "WeightsError",
    "bare_name",
    "closing_source",
    "default_initial",
    "is_model_name",
    "load_module",
    "models_folder",
    "open_shipped",
    "open_source",
    "parameter_arrays",
    "save_safetensors",
    "shipped_folder",
]

M = TypeVar("M", bound=nnx.Module)
SHOWN_NAMES = 5


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


def open_source(text: str) -> ArraySource:
    """Opens weights by what a user writes.

    Args:
        text: `random:SEED`; `package:NAME` for weights that ship with soundstage; a path to a
            `.safetensors` file, to a folder of such files, to a T5X checkpoint folder or to a T5X
            `.tar`; or the bare name of a model in `models_folder()`, found there as
            NAME.safetensors, NAME.tar or NAME/.

    Raises:
        WeightsError: there is nothing there, or it is none of these.
    """
    if text.startswith("random:"):
        return _open_random(text)
    if text.startswith("package:"):
        return open_shipped(text.removeprefix("package:"), shipped_folder())
    if is_model_name(text):
        return _open_model(text)
    return _open_path(Path(text).expanduser())


def closing_source(text: str) -> AbstractContextManager[ArraySource]:
    """`open_source` for a `with` statement, which closes the files at its end."""
    return closing(open_source(text))


def _open_random(text: str) -> RandomSource:
    seed = text.removeprefix("random:")
    if not (seed.isascii() and seed.isdigit()):
        raise WeightsError(f"{text}: write random:SEED with a whole number, such as random:0")
    return RandomSource(int(seed))


def shipped_folder() -> Path:
    """Where the weights are that ship with soundstage."""
    return Path(str(files("soundstage.stages.demo_weights")))


def open_shipped(name: str, folder: Path) -> SafetensorsSource:
    """Opens weights that ship with soundstage: NAME.safetensors in `folder`.

    Raises:
        WeightsError: there are none of that name; lists those that there are.
    """
    shipped = sorted(path.stem for path in folder.glob("*.safetensors"))
    if name not in shipped:
        there = ", ".join(f"package:{stem}" for stem in shipped) or "none in this copy"
        raise WeightsError(f"package:{name}: soundstage ships no such weights; it has {there}")
    return SafetensorsSource([folder / f"{name}.safetensors"])


def _open_model(name: str) -> ArraySource:
    candidates = model_paths(name)
    for path in candidates:
        if path.exists():
            return _open_path(path)
    looked = ", ".join(str(path) for path in candidates)
    raise WeightsError(
        f"no weights called {name}: looked for {looked}; published models come with `soundstage "
        f"models download NAME`; else put them there, give a path (./{name} for a local one), or "
        "use random:0 for random weights (noise, not music: for tests)"
    )


def _open_path(path: Path) -> ArraySource:
    if not path.exists():
        raise WeightsError(
            f"{path}: no such file or folder; give a .safetensors file, a folder of them, or a "
            "T5X checkpoint, or use random:0 for random weights (noise, not music: for tests)"
        )
    if path.is_file() and path.suffix == ".safetensors":
        return SafetensorsSource([path])
    if path.is_dir() and (found := sorted(path.glob("*.safetensors"))):
        return SafetensorsSource(found)
    if is_t5x(path):
        return T5xSource(path)
    raise WeightsError(
        f"{path}: neither a .safetensors file, nor a folder of them, nor a T5X checkpoint "
        "(a folder or .tar with a file called checkpoint, or target.* folders)"
    )


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
        make: builds the network; called once, abstractly.
        source: where the arrays come from; stays open.
        published_name: turns a parameter's path, attribute names and list indices joined by
            slashes (`layers/0/mlp/wi_0/kernel`), into its published bare name.
        device: where the arrays go; None = JAX's default.
        dtype: the arrays' type there.
        initial: scaling of random weights instead of `default_initial`; unused for files.
        elsewhere: beginnings of names in the source that belong to other networks.
        in_float32: published names of arrays that stay float32 whatever `dtype` is.

    Raises:
        WeightsError: arrays are missing, left over, of another shape, not finite or unreadable.
    """
    if initial is not None and isinstance(source, RandomSource):
        source = RandomSource(source.seed, initial)
    abstract = nnx.eval_shape(lambda: make(nnx.Rngs(0)))
    graph, state = nnx.split(abstract)
    paths = _paths_by_name(state, published_name)
    _check_complete(source, paths, elsewhere)
    digest = hashlib.sha256()

    def put(name: str, array: np.ndarray) -> jax.Array:
        # Rounded before it moves: the device never holds more than the final arrays.
        kept = jnp.float32 if name in in_float32 else dtype
        return jax.device_put(array.astype(kept, copy=False), device)

    filled = _filled(paths, source, digest, put)
    module = nnx.merge(graph, nnx.from_flat_state(dict(filled)))
    return Loaded(module, digest.hexdigest(), source.note)


def _filled(
    paths: Mapping[str, tuple[tuple, nnx.Variable]],
    source: ArraySource,
    digest: "hashlib._Hash",
    put: Callable[[str, np.ndarray], jax.Array],
) -> Iterator[tuple[tuple, nnx.Variable]]:
    """Reads one array after the other, in the order of names, which the digest depends on."""
    for name in sorted(paths):
        path, leaf = paths[name]
        array = source.read(name, tuple(leaf.shape))
        _check_array(source.note, name, array, tuple(leaf.shape))
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


def _check_complete(source: ArraySource, wanted: Iterable[str], elsewhere: tuple[str, ...]) -> None:
    names = source.names()
    if names is None:
        return
    gaps = sorted(set(wanted) - set(names))
    extra = sorted(name for name in set(names) - set(wanted) if not name.startswith(elsewhere))
    faults = []
    if gaps:
        faults.append(f"lacks {_listed(gaps)}")
    if extra:
        faults.append(f"has {_listed(extra)}, which this network does not know")
    if faults:
        raise WeightsError(
            f"{source.note}: {' and '.join(faults)}; use the weights that belong to the network "
            "and size chosen"
        )


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:SHOWN_NAMES])
    more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
    return f"{len(names)} array{'s' if len(names) > 1 else ''} ({shown}{more})"


def _check_array(note: str, name: str, array: np.ndarray, shape: tuple[int, ...]) -> None:
    check_shape(note, name, array.shape, shape)
    check_finite(note, name, array)


def parameter_arrays(
    module: nnx.Module, published_name: Callable[[str], str]
) -> dict[str, np.ndarray]:
    """The float32 arrays of a network by published name."""
    paths = _paths_by_name(nnx.state(module), published_name)
    return {
        name: np.asarray(jax.device_get(leaf[...])).astype(np.float32)
        for name, (_, leaf) in paths.items()
    }


def save_safetensors(
    arrays: Mapping[str, np.ndarray], path: Path, metadata: Mapping[str, str]
) -> None:
    """Writes arrays, such as those of `parameter_arrays`, to a safetensors file, atomically.

    Args:
        arrays: float32, by published name.
        path: the file; its folder must exist.
        metadata: strings kept in the file's header.

    Raises:
        OSError: the folder cannot be written to.
    """
    write_safetensors(arrays, path, metadata)
