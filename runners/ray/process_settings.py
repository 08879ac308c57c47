"""What an actor's process sets before anything else: its module path, and JAX's variables.

Ray could set them before the process starts (`runtime_env`), but then it loads Ray twice for every
actor, and never takes a process that runs already.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass

CPU_ONLY = {"JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": ""}


@dataclass(frozen=True)
class ProcessSettings:
    """Settings of an actor's process.

    Attributes:
        module_path: the folders in which the driver finds modules; a user's stages may lie in any.
        variables: environment variables that JAX reads when it is imported or looks for devices,
            such as `CPU_ONLY`.
    """

    module_path: tuple[str, ...]
    variables: Mapping[str, str]

    @classmethod
    def of_driver(cls, variables: Mapping[str, str]) -> ProcessSettings:
        """Returns settings with the module path of this process."""
        return cls(tuple(path for path in sys.path if path), variables)

    def apply(self) -> None:
        """Sets them in this process; what is imported already is imported no more."""
        others = [path for path in sys.path if path not in self.module_path]
        sys.path[:] = [*self.module_path, *others]
        os.environ.update(self.variables)
        platforms = self.variables.get("JAX_PLATFORMS")
        jax = sys.modules.get("jax")
        if jax is not None and platforms is not None:
            jax.config.update("jax_platforms", platforms)
