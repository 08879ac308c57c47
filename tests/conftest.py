"""JAX is strict under test, whatever the stage; and which tests stay together in one process."""

import importlib.util

import jax
import pytest

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")


@pytest.hookimpl(tryfirst=True)  # before the groups are read
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Groups tests for `pytest --dist loadgroup`: by file, and all that need Ray's cluster."""
    if importlib.util.find_spec("xdist") is None:
        return
    ray_files = {item.path for item in items if item.get_closest_marker("ray")}
    for item in items:
        group = "ray" if item.path in ray_files else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))
