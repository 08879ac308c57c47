"""Compiled functions that are found by name at the next start, instead of being traced again.

Tracing a network in Python takes longer than loading its compiled program. So what tracing makes,
a portable form of the program, is kept in the user's cache folder, under a name that all it
depends on determines: the source code of the function's module and of all that it imports of stages
and kernels, the function and its setting, the shapes and dtypes of its arguments, and the versions
of JAX. What it is compiled to is kept, too (`kernels.executables`), on GPUs by JAX alone
(`runners.compilation`).
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from functools import lru_cache, partial
from typing import Any

import jax
import jaxlib
import numpy as np
from jax import export

from soundstage.kernels.executables import Executable, portable
from soundstage.kernels.program_files import keep, read
from soundstage.source_code import source_digest

LOGGER = logging.getLogger("soundstage")
PACKAGE = "soundstage.stages"
# The form of the files: another one for each change of what `portable` writes.
FORM = "digest and program, compressed"
# Programs that are in the memory of a process.
KEPT_PROGRAMS = 64
# The options of JAX that change what tracing makes.
OPTIONS = (
    "jax_enable_x64",
    "jax_default_matmul_precision",
    "jax_default_prng_impl",
    "jax_threefry_partitionable",
    # These refuse to trace some functions.
    "jax_numpy_dtype_promotion",
    "jax_numpy_rank_promotion",
)
# JAX may change what these calls mean from version to version; a program's name has its version.
UNSTABLE = (export.DisabledSafetyCheck.custom_call("__gpu$xla.gpu.triton"),)
Compiled = Callable[..., Any]
Constant = int | float | str | bool | None


class Program:
    """A pure function of arrays, compiled for each shape of its arguments.

    Equal programs of a process share what is compiled. Safe to call from several threads.

    Args:
        function: takes arrays, or trees of them, then constants; returns arrays in tuples, lists or
            dicts.
        setting: all that the function depends on beside its arguments: numbers, texts, tuples, and
            dataclasses of them that ship with soundstage. With anything else, such as a function of
            a user's, the program is traced at every start.
    """

    def __init__(self, function: Callable[..., Any], setting: object = None) -> None:
        self._function = function
        self._name = _name(function, setting)
        self._modules = _modules(function, setting)
        self._lock = threading.Lock()
        self._compiled: dict[tuple, Compiled] = {}

    def __call__(self, *arguments: Any, constants: tuple[Constant, ...] = ()) -> Any:
        """Runs the program; finds, or traces and compiles it at the first call for these shapes.

        Args:
            arguments: arrays, or trees of them.
            constants: the function's last arguments; each value makes another program.
        """
        leaves, tree = jax.tree.flatten(arguments)
        shapes = tuple((leaf.shape, leaf.dtype) for leaf in leaves)
        called = (tree, shapes, constants)
        compiled = self._compiled.get(called)
        if compiled is None:
            with self._lock:
                compiled = self._compiled.get(called)
                if compiled is None:
                    compiled = self._find(arguments, leaves, constants)
                    self._compiled[called] = compiled
        return compiled(*leaves)

    def lower(self, *arguments: Any, constants: tuple[Constant, ...] = ()) -> jax.stages.Lowered:
        """Traces the program, to be compiled for a device that need not be there; keeps nothing.

        Args:
            arguments: `jax.ShapeDtypeStruct`s with shardings, or trees of them.
            constants: as of a call.
        """
        return jax.jit(lambda *arrays: self._function(*arrays, *constants)).lower(*arguments)

    def _find(self, arguments: tuple, leaves: list, constants: tuple[Constant, ...]) -> Compiled:
        tree = jax.tree.structure(arguments)

        def flat(*leaves: jax.Array) -> Any:
            return self._function(*jax.tree.unflatten(tree, leaves), *constants)

        platform = _platform(leaves)
        words = [
            f"{self._name}",
            repr(constants),
            *(
                jax.tree_util.keystr(path)
                for path, _ in jax.tree_util.tree_leaves_with_path(arguments)
            ),
            *(f"{leaf.dtype}{list(leaf.shape)}" for leaf in leaves),
            platform,
        ]
        if not self._name:
            return jax.jit(flat)
        key = hashlib.sha256(
            "\n".join([_surroundings(), source_digest(*self._modules), *words]).encode()
        ).hexdigest()
        make = partial(_exported, flat, leaves, platform)
        try:
            return _program(key, _Maker(make))
        except (NotImplementedError, ValueError) as error:
            LOGGER.debug("%s is traced at every start: %s", self._name, error)
            return jax.jit(flat)


class _Maker:
    """Makes a program; equal to every other, because the key beside it tells which."""

    def __init__(self, make: Callable[[], bytes]) -> None:
        self.make = make

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Maker)

    def __hash__(self) -> int:
        return 0


@lru_cache(maxsize=KEPT_PROGRAMS)
def _program(key: str, maker: _Maker) -> Compiled:
    content = read(key)
    if content is None:
        content = maker.make()
        keep(key, content)
    return Executable(content)


def _exported(flat: Callable[..., Any], leaves: Sequence[jax.Array], platform: str) -> bytes:
    shapes = [jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for leaf in leaves]
    name = export_name(platform)
    exported = export.export(jax.jit(flat), platforms=(name,), disabled_checks=UNSTABLE)
    return portable(exported(*shapes))


def export_name(platform: str) -> str:
    """Returns what a platform of devices is called in an exported program.

    JAX calls the devices of all makers "gpu", but refuses to run a program that was exported for
    "gpu" on any of them.
    """
    if platform != "gpu":
        return platform
    for name in ("cuda", "rocm"):
        try:
            jax.devices(name)
        except RuntimeError:
            continue
        return name
    return platform


def shapes_on(device: jax.Device, arrays: Any) -> Any:
    """Returns the shapes and dtypes of a tree of arrays as those of arrays on a device."""
    sharding = jax.sharding.SingleDeviceSharding(device)
    return jax.tree.map(
        lambda array: jax.ShapeDtypeStruct(array.shape, array.dtype, sharding=sharding), arrays
    )


def _name(function: Callable[..., Any], setting: object) -> str | None:
    """Returns the name of a function with its setting; None = it cannot be known by name."""
    owner = getattr(function, "__self__", None)
    if not _ships(function) or not (owner is None or _ships(type(owner))) or not _known(setting):
        return None
    return f"{function.__module__}.{function.__qualname__} {setting!r}"


def _modules(function: Callable[..., Any], setting: object) -> tuple[str, ...]:
    """Returns the modules that the function and its setting come from, in order of their names."""
    owner = getattr(function, "__self__", None)
    return tuple(sorted({function.__module__, type(owner).__module__, *_of_setting(setting)}))


def _of_setting(setting: object) -> Iterator[str]:
    parts = setting if isinstance(setting, tuple) else ()
    if is_dataclass(setting):
        yield type(setting).__module__
        parts = tuple(getattr(setting, field.name) for field in fields(setting))
    for part in parts:
        yield from _of_setting(part)


def _ships(code: Any) -> bool:
    """Whether a function or class is one of the stages that ship with soundstage."""
    return f"{code.__module__}.".startswith(f"{PACKAGE}.")


def _known(setting: object) -> bool:
    """Whether the `repr` of a setting tells all of it."""
    if isinstance(setting, tuple):
        return all(_known(part) for part in setting)
    if is_dataclass(setting):
        parts = [getattr(setting, field.name) for field in fields(setting)]
        return _ships(type(setting)) and all(_known(part) for part in parts)
    return setting is None or isinstance(setting, str | bool | int | float)


def _platform(leaves: Sequence[Any]) -> str:
    """Returns the platform of the arrays' device, such as "cpu"; JAX's default without an array."""
    devices = (next(iter(leaf.devices())) for leaf in leaves if isinstance(leaf, jax.Array))
    device = next(devices, None)
    return jax.default_backend() if device is None else str(device.platform)


def _surroundings() -> str:
    """Returns what every program depends on: versions, and options of JAX."""
    options = {name: jax.config.values.get(name) for name in OPTIONS}
    versions = f"{FORM} jax {jax.__version__} {jaxlib.__version__} numpy {np.__version__}"
    return f"{versions} {options}"
