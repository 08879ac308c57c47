"""Where Numba keeps the programs of this package: found by their source code, not by its path.

Numba itself keeps programs by the folder of the source code, so that every new environment, every
checkout and every job of Ray would compile all of them again.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from soundstage.source_code import source_digest
from soundstage.user_folders import user_cache_folder

# Versions of a module's source code whose programs are kept.
KEPT_VERSIONS = 4


class KeptPrograms:
    """A cache locator of Numba for a function: what NUMBA_CACHE_LOCATOR_CLASSES may name.

    Args:
        function: the function, of a module of this package.
        file: the module's file.
        digest: of the source code that its programs are made from.
        folder: where its programs are kept.
    """

    def __init__(self, function: Callable[..., Any], file: str, digest: str, folder: Path) -> None:
        self._py_file = file  # by this name, as Numba's warnings quote it
        self._digest = digest
        self._line = function.__code__.co_firstlineno
        self._folder = folder

    @classmethod
    def from_function(cls, function: Callable[..., Any], file: str) -> KeptPrograms | None:
        """Returns the locator of a function; None = its folder cannot be written."""
        module = function.__module__
        folder = kernels_folder(module)
        return None if folder is None else cls(function, file, source_digest(module), folder)

    def ensure_cache_path(self) -> None:
        """Makes the folder, should it have been deleted.

        Raises:
            OSError: it cannot be made.
        """
        self._folder.mkdir(parents=True, exist_ok=True)

    def get_cache_path(self) -> str:
        """Returns the folder of the function's programs."""
        return str(self._folder)

    def get_source_stamp(self) -> str:
        """Returns the digest of the source code that the programs are made from."""
        return self._digest

    def get_disambiguator(self) -> str:
        """Returns what tells functions of one name in a module apart."""
        return str(self._line)


@cache
def kernels_folder(module: str) -> Path | None:
    """Returns the folder of a module's programs in the user's cache folder; deletes old ones.

    It is named by all source code that the module depends on: Numba compiles a function again if
    its own file changes, but not if a function that it calls does.

    Args:
        module: the module's full name.

    Returns:
        The folder, which exists; None = it cannot be written.
    """
    folder = user_cache_folder() / "kernels" / module / source_digest(module)[:16]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
        folder.touch()
        versions = sorted(folder.parent.iterdir(), key=lambda path: path.stat().st_mtime)
    except OSError:
        return None
    for old in versions[:-KEPT_VERSIONS]:
        shutil.rmtree(old, ignore_errors=True)
    return folder
