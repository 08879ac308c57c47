"""The persistent cache of compiled programs, for faster starts."""

from pathlib import Path


def cache_folder() -> Path:
    """Returns the folder of compiled programs, in the user's cache folder."""
    import platformdirs

    return platformdirs.user_cache_path("soundstage") / "xla"


def use_compilation_cache() -> None:
    """Makes JAX use the cache, unless the user has configured another one."""
    import jax

    if jax.config.values.get("jax_compilation_cache_dir") is None:
        jax.config.update("jax_compilation_cache_dir", str(cache_folder()))
        # JAX's default of 1 s would skip most of a small pipeline.
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
