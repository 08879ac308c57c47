"""Programs as machine code: compiled once for a processor, kept, and loaded at later starts.

JAX finds what a portable program was compiled to only after it has translated the program for its
compiler, which takes longer than loading the result. So on CPUs the result itself is kept beside
the portable program. It is the machine code that JAX would run, and so gives the same bytes.
"""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import re
import secrets
import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jax
import jaxlib
from jax import export
from jaxlib import xla_client

from soundstage.kernels.ahead import LOADED_AHEAD
from soundstage.kernels.program_files import DIGEST_BYTES, keep, read

LOGGER = logging.getLogger("soundstage")
# What the descriptions of a processor call its instructions: on x86-64, and on 64-bit ARM.
INSTRUCTIONS = ("flags", "Features")
# What is raised where a version of JAX lacks one of the names used here, which none promises, and
# where it cannot load or compile a program.
UNPROMISED = (AttributeError, TypeError, jax.errors.JaxRuntimeError)
# The end of the name of a file with machine code.
SUFFIX = ".compiled"
# Where the parts of a program come from: names of files, and numbers of lines.
PLACES = re.compile(r"^#loc.*\n| ?loc\((?:#loc\d*|\"[^\"]*\")\)", re.MULTILINE)
# Environment variables that change what the compiler makes.
VARIABLES = ("XLA_FLAGS", "JAX_DISABLE_MOST_OPTIMIZATIONS", "JAX_OPTIMIZATION_LEVEL")


def can_keep() -> bool:
    """Whether this version of JAX gives compiled programs out, which it does not promise."""
    return hasattr(getattr(xla_client, "LoadedExecutable", None), "serialize")


def portable(exported: export.Exported) -> bytes:
    """Returns a program in the form that `Executable` reads.

    The bytes of an exported program tell files and lines of its source code. So a digest of what
    is computed comes first: a change of a comment compiles nothing again.
    """
    text = PLACES.sub("", exported.mlir_module())
    if len(exported.module_kept_var_idx) < len(exported.in_avals):
        # The text lacks the arguments that it does not read; a caller passes them all the same.
        text += f"{exported.in_avals} {exported.module_kept_var_idx}"
    digest = hashlib.sha256(text.encode()).digest()
    return digest + bytes(exported.serialize())


class Executable:
    """A portable program that is compiled for each device that it is called on.

    Args:
        content: what `portable` returned.
    """

    def __init__(self, content: bytes) -> None:
        self._exported = export.deserialize(bytearray(content[DIGEST_BYTES:]))
        self._digest = content[:DIGEST_BYTES].hex()
        self._by_jax = jax.jit(self._exported.call)
        self._loaded: dict[int, MachineCode | None] = {}
        self._lock = threading.Lock()
        arrays = (*self._exported.in_avals, *self._exported.out_avals)
        self._plain = not any(jax.dtypes.issubdtype(a.dtype, jax.dtypes.extended) for a in arrays)

    def __call__(self, *leaves: Any) -> Any:
        """Runs the program.

        Args:
            leaves: its arrays, of JAX or NumPy.

        Returns:
            What the function returned that was exported.
        """
        device = _processor(leaves) if self._plain and can_keep() else None
        code = None if device is None else self._on(device)
        if code is None:
            return self._by_jax(*leaves)
        return jax.tree.unflatten(self._exported.out_tree, code(leaves))

    def _on(self, device: jax.Device) -> MachineCode | None:
        """Returns the program for a device; None = this version of JAX cannot keep or load it."""
        if device.id not in self._loaded:
            with self._lock:
                if device.id not in self._loaded:
                    self._loaded[device.id] = self._load(device)
        return self._loaded[device.id]

    def _load(self, device: jax.Device) -> MachineCode | None:
        words = (self._digest, str(device.id), _processor_words(), *_versions())
        key = hashlib.sha256("\n".join(words).encode()).hexdigest() + SUFFIX
        code = LOADED_AHEAD.take(key, device)
        if code is not None:
            return code
        content = read(key)
        try:
            if content is not None:
                return MachineCode.load(content, device)
        except UNPROMISED as error:
            LOGGER.debug("program %s is compiled again: %s", key, error)
        try:
            compiled = self._compiled(device)
            content = bytes(compiled.serialize())
        except UNPROMISED as error:
            LOGGER.debug("program %s is left to JAX: %s", key, error)
            return None
        keep(key, content)
        return MachineCode(compiled, device)

    def _compiled(self, device: jax.Device) -> Any:
        sharding = jax.sharding.SingleDeviceSharding(device)
        shapes = [
            jax.ShapeDtypeStruct(array.shape, array.dtype, sharding=sharding)
            for array in self._exported.in_avals
        ]
        exported = self._exported

        def program(*leaves: jax.Array) -> Any:
            return exported.call(*leaves)

        # What JAX finds in its own cache of compiled programs cannot be serialized once more, so it
        # must find nothing there: it looks for names, too.
        program.__name__ = f"program_{secrets.token_hex(8)}"
        # So that the compiled program takes all arguments, those that it does not read, too.
        lowered = jax.jit(program, keep_unused=True).lower(*shapes)
        return lowered.compile().runtime_executable()


class MachineCode:
    """A compiled program in memory.

    Args:
        code: what XLA compiled or loaded.
        device: where it runs: the device that it was compiled for.
    """

    def __init__(self, code: Any, device: jax.Device) -> None:
        self._code, self._device = code, device

    @classmethod
    def load(cls, content: bytes, device: jax.Device) -> MachineCode:
        """Loads what XLA serialized.

        Raises:
            JaxRuntimeError: it is damaged, or for another machine.
        """
        devices = xla_client.DeviceList((device,))
        return cls(device.client.deserialize_executable(content, devices, None), device)

    def __call__(self, leaves: Sequence[Any]) -> list[jax.Array]:
        """Runs the program: arrays to arrays."""
        arrays = [
            leaf if isinstance(leaf, jax.Array) else jax.device_put(leaf, self._device)
            for leaf in leaves
        ]
        results = self._code.execute_sharded(arrays).disassemble_into_single_device_arrays()
        return [shards[0] for shards in results]


def _processor(leaves: Sequence[Any]) -> jax.Device | None:
    """Returns the CPU that holds all arrays; None = they are elsewhere, or only being traced."""
    if any(isinstance(leaf, jax.core.Tracer) for leaf in leaves):
        return None
    shardings = {leaf.sharding for leaf in leaves if isinstance(leaf, jax.Array)}
    devices: set[jax.Device] = set().union(*(sharding.device_set for sharding in shardings))
    if len(devices) != 1:
        return None
    (device,) = devices
    return device if device.platform == "cpu" else None


def _versions() -> tuple[str, ...]:
    chosen = [f"{name}={os.environ[name]}" for name in VARIABLES if os.environ.get(name)]
    return (jax.__version__, jaxlib.__version__, " ".join(chosen))


@cache
def _processor_words() -> str:
    """Returns what machine code depends on: the kind of processor and its instructions."""
    words = [platform.system(), platform.machine(), platform.processor()]
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    wanted = ("model name", *INSTRUCTIONS)
    words += sorted({line for line in lines if line.partition(":")[0].strip() in wanted})
    return "\n".join(words)
