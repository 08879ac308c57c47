"""How functions of this folder are compiled, and where the programs are kept."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

from soundstage.source_code import source_digest
from soundstage.user_folders import user_cache_folder

F = TypeVar("F", bound=Callable[..., Any])
# Versions of a module's source code whose programs are kept.
KEPT_VERSIONS = 4


def compiled(function: F) -> F:
    """Compiles a function at its first call, and keeps the program on disk.

    It runs without Python's lock, so that other threads compute meanwhile.
    """
    config: Any = numba.config
    before, config.CACHE_DIR = config.CACHE_DIR, str(kernels_folder(function.__module__))
    try:
        compiler = numba.njit(fastmath=True, nogil=True, cache=True, error_model="numpy")
        return cast(F, compiler(function))
    finally:
        config.CACHE_DIR = before


@cache
def kernels_folder(module: str) -> Path:
    """Returns the folder of a module's programs in the user's cache folder; deletes old ones.

    Numba compiles a function again if its own file changes, but not if a function that it calls
    does. If the folder cannot be written, Numba looks for another one.

    Args:
        module: the module's full name.
    """
    folder = user_cache_folder() / "kernels" / module / source_digest(module)[:16]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.touch()
        versions = sorted(folder.parent.iterdir(), key=lambda path: path.stat().st_mtime)
    except OSError:
        return folder
    for old in versions[:-KEPT_VERSIONS]:
        shutil.rmtree(old, ignore_errors=True)
    return folder
