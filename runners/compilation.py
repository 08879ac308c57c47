"""The persistent cache of compiled programs, for faster starts."""

import logging
import tempfile
import warnings
from functools import cache
from pathlib import Path

from soundstage.user_folders import user_cache_folder

LOGGER = logging.getLogger("soundstage")


def cache_folder() -> Path:
    """Returns the folder of compiled programs, in the user's cache folder."""
    return user_cache_folder() / "xla"


def use_compilation_cache() -> None:
    """Makes JAX use the cache, unless the user has configured another one.

    Without a folder that can be written, there is no cache and one warning: everything works, and
    is compiled at every start.
    """
    import jax

    if jax.config.values.get("jax_compilation_cache_dir") is None and _is_usable(cache_folder()):
        jax.config.update("jax_compilation_cache_dir", str(cache_folder()))
        # JAX's default of 1 s would skip most of a small pipeline; reading even the quickest
        # program back takes a tenth of the time of compiling it.
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        # A disk that fills up costs speed only; JAX would warn at every program.
        message = "Error (reading|writing) persistent compilation cache"
        warnings.filterwarnings("ignore", message)


@cache
def _is_usable(folder: Path) -> bool:
    """Whether files can be made in the folder; if not, warns."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError as error:
        LOGGER.warning(
            "no cache of compiled programs, so every start takes longer: %s; set "
            "JAX_COMPILATION_CACHE_DIR to a folder that can be written",
            error,
        )
        return False
