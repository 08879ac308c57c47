"""librosa's loops, compiled once for all environments of this user.

Numba keeps programs by the folder of their source code, so each new environment compiles them anew.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest

from soundstage.user_folders import user_cache_folder


class LibrosaPrograms:
    """A cache locator of Numba: finds programs by the content of their file, not by its path.

    Args:
        function: the function.
        file: the file of its source code.
    """

    def __init__(self, function: Callable[..., Any], file: str) -> None:
        self._py_file = file  # by this name, as Numba's warnings quote it
        self._line = function.__code__.co_firstlineno
        self._digest = hashlib.sha256(Path(file).read_bytes()).hexdigest()
        self._folder = user_cache_folder() / "librosa" / self._digest[:16]

    @classmethod
    def from_function(cls, function: Callable[..., Any], file: str) -> LibrosaPrograms | None:
        """Returns the locator of a function; None = its folder cannot be written."""
        locator = cls(function, file)
        try:
            locator.ensure_cache_path()
            tempfile.TemporaryFile(dir=locator.get_cache_path()).close()
        except OSError:
            return None
        return locator

    def ensure_cache_path(self) -> None:
        """Makes the folder.

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


def compile_librosa() -> None:
    """Compiles what the measures of rhythm call, and keeps it in the user's cache folder.

    It is compiled in half the time, to run slower: tests hear seconds of music.
    """
    from evaluation.measures.rhythm import tempo_bpm

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numba.config, "OPT", type(numba.config.OPT)(0))
        if hasattr(numba.config, "CACHE_LOCATOR_CLASSES"):  # not in older versions
            ours = f"{__name__}.{LibrosaPrograms.__qualname__}"
            patch.setattr(numba.config, "CACHE_LOCATOR_CLASSES", f"{ours},InTreeCacheLocator")
        tempo_bpm(np.random.default_rng(0).random((96_000, 2), np.float32), 48_000)
