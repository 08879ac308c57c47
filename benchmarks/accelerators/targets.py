"""Accelerators that programs are compiled for without being there, and how fast they are.

What compiles lies in the packages of the extra `aot`: the shared library of JAX's CUDA plugin, with
a description of the device in words, and libtpu. Neither asks for a device, a driver or a network.
"""

from __future__ import annotations

import importlib.metadata
import logging
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import jax
from jax.experimental import topologies

H100 = """
gpu_device_info {
  cuda_compute_capability { major: 9 feature_extension: ACCELERATED_FEATURES }
  core_count: 132
  fpus_per_core: 128
  clock_rate_ghz: 1.98
  threads_per_block_limit: 1024
  threads_per_warp: 32
  threads_per_core_limit: 2048
  shared_memory_per_block: 49152
  shared_memory_per_block_optin: 232448
  shared_memory_per_core: 233472
  registers_per_core_limit: 65536
  registers_per_block_limit: 65536
  block_dim_limit_x: 2147483647
  block_dim_limit_y: 65535
  block_dim_limit_z: 65535
  memory_bandwidth: 3352320000000
  l2_cache_size: 52428800
  device_memory_size: 84978434048
}
platform_name: "CUDA"
dnn_version_info { major: 9 minor: 8 }
runtime_version { major: 12 minor: 9 }
device_description_str: "NVIDIA H100 80GB HBM3"
"""


@dataclass(frozen=True)
class Target:
    """An accelerator.

    Attributes:
        platform: what JAX calls its kind.
        topology: what the compiler calls it.
        options: more that the compiler wants to know.
        package: the installed package that has the compiler.
        library: the compiler's file name.
        bytes_per_s: bandwidth of its memory.
        operations_per_s: floating-point operations of matrix products by the type of activations.
            Float32 is exact ("highest" in JAX).
        in_graph_us: least time of a kernel that runs inside a graph.
        alone_us: least time of a kernel that is launched by itself.
    """

    platform: str
    topology: str
    options: Mapping[str, str]
    package: str
    library: str
    bytes_per_s: float
    operations_per_s: Mapping[str, float]
    in_graph_us: float
    alone_us: float

    @property
    def is_gpu(self) -> bool:
        """Whether kernels are launched one by one or in graphs."""
        return self.platform == "cuda"


TARGETS = {
    "h100": Target(
        "cuda",
        "h100:1x1x1",
        {"target_config": H100, "topology": "1x1x1"},
        "jax-cuda12-pjrt",
        "xla_cuda_plugin.so",
        3.352e12,
        {"bfloat16": 989e12, "float32": 67e12},
        2.2,
        5.0,
    ),
    # A TPU runs a program's operations without launching them, six passes for exact float32.
    "v5e": Target(
        "tpu",
        "v5e:2x2",
        {},
        "libtpu",
        "libtpu.so",
        819e9,
        {"bfloat16": 197e12, "float32": 197e12 / 6},
        0.0,
        0.0,
    ),
}


def absent_device(target: Target) -> jax.Device:
    """Returns a device of this kind to compile for. Call it before JAX is used for anything else.

    Raises:
        ModuleNotFoundError: the extra `aot` is not installed.
    """
    library = _library(target)
    if not target.is_gpu:
        os.environ["TPU_LIBRARY_PATH"] = str(library)
        os.environ["TPU_SKIP_MDS_QUERY"] = "1"  # asks no server what machine this is
        os.environ.setdefault("TPU_ACCELERATOR_TYPE", "v5litepod-4")
        os.environ.setdefault("TPU_WORKER_ID", "0")
        os.environ.setdefault("TPU_WORKER_HOSTNAMES", "localhost")
    # JAX computes on the processor. Its plugins warn that this machine has no accelerator.
    jax.config.update("jax_platforms", "cpu")
    logging.getLogger("jax._src.xla_bridge").setLevel(logging.CRITICAL)
    with _held_back_errors():
        jax.devices("cpu")
        described = topologies.get_topology_desc(
            target.topology, platform=target.platform, **target.options
        )
    return described.devices[0]


@contextmanager
def _held_back_errors() -> Iterator[None]:
    """Keeps what libraries write to standard error, and shows it only if something fails."""
    kept = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield
        except Exception:
            file.seek(0)
            os.write(kept, file.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def _library(target: Target) -> Path:
    try:
        files = importlib.metadata.files(target.package) or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        path = Path(str(file.locate()))
        if path.name == target.library and path.is_file():
            return path
    raise ModuleNotFoundError(
        f"compiling for {target.topology} needs {target.library} of {target.package}: "
        "pip install '.[aot]'"
    )
