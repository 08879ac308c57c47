"""One Ray cluster for all tests that need one: starting it takes seconds."""

import pytest


@pytest.fixture(scope="session")
def ray_cluster():
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    import ray

    from runners.ray_cluster import LOOPBACK

    ray.init(
        address="local",  # whatever else may run on this machine
        num_gpus=0,  # else "auto" would be a GPU where there is one, here and in-process alike
        include_dashboard=False,
        log_to_driver=False,
        _node_ip_address=LOOPBACK,
    )
    yield ray
    ray.shutdown()
