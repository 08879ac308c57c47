"""The persistent compilation cache: what was compiled once starts fast from then on."""

from pathlib import Path


def cache_folder() -> Path:
    """Where compiled programs are kept, in the user's cache folder."""
    import platformdirs

    return platformdirs.user_cache_path("soundstage") / "xla"


def use_compilation_cache() -> None:
    """Points JAX at the cache, unless the user has already pointed it somewhere."""
    import jax

    if jax.config.values.get("jax_compilation_cache_dir") is None:
        jax.config.update("jax_compilation_cache_dir", str(cache_folder()))
        # The default skips everything that compiles in under a second: most of a small pipeline.
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
