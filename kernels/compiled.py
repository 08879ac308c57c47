"""How functions of this folder are compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

from soundstage.kernels.kept_programs import KeptPrograms, kernels_folder

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Compiles a function at its first call, and keeps the program on disk.

    Without a folder that can be written, Numba looks for one itself. The function runs without
    Python's lock, so that other threads compute meanwhile.
    """
    folder = kernels_folder(function.__module__)
    settings = {
        # Versions of Numba that know only their own locators keep the programs below this folder.
        "CACHE_DIR": str(folder),
        "CACHE_LOCATOR_CLASSES": f"{KeptPrograms.__module__}.{KeptPrograms.__qualname__}",
    }
    config: Any = numba.config
    known = {name: getattr(config, name) for name in settings if folder and hasattr(config, name)}
    try:
        for name in known:
            setattr(config, name, settings[name])
        compiler = numba.njit(fastmath=True, nogil=True, cache=True, error_model="numpy")
        return cast(F, compiler(function))
    finally:
        for name, before in known.items():
            setattr(config, name, before)
