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

from soundstage.kernels.kept_programs import KeptPrograms
from soundstage.user_folders import user_cache_folder


class LibrosaPrograms(KeptPrograms):
    """A cache locator of Numba that finds programs by the content of their file alone."""

    @classmethod
    def from_function(cls, function: Callable[..., Any], file: str) -> LibrosaPrograms | None:
        """Returns the locator of a function; None = its folder cannot be written."""
        digest = hashlib.sha256(Path(file).read_bytes()).hexdigest()
        locator = cls(function, file, digest, user_cache_folder() / "librosa" / digest[:16])
        try:
            locator.ensure_cache_path()
            tempfile.TemporaryFile(dir=locator.get_cache_path()).close()
        except OSError:
            return None
        return locator


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
