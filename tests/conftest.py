"""JAX is strict under test; one Ray cluster for all tests that need one; homes for models.

No silent rank or dtype promotion, whatever the stage.
"""

import jax
import pytest

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")


@pytest.fixture(scope="session")
def ray_cluster():
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    import ray

    from soundstage.runners.ray.connection import LOOPBACK

    ray.init(
        address="local",  # whatever else may run on this machine
        num_gpus=0,  # else "auto" would be a GPU where there is one, here and in-process alike
        include_dashboard=False,
        log_to_driver=False,
        _node_ip_address=LOOPBACK,
    )
    yield ray
    ray.shutdown()


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home without models, and a hub's cache with nothing in it."""
    from huggingface_hub import constants

    monkeypatch.setattr("platformdirs.user_data_path", lambda name: tmp_path / name)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path


@pytest.fixture
def hub(home):
    """A hub with every published file, at the size of scraps."""
    from hub_server import LocalHub, serving
    from model_files import scraps

    with serving(LocalHub(dict(scraps()))) as local_hub:
        yield local_hub
