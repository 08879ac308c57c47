"""Clusters that do not start."""

import pytest

pytest.importorskip("ray", reason="the extra `ray` is not installed")
# What Ray raises on a machine that is too busy to start its processes in time.
OVERLOADED = Exception("The current node timed out during startup.\nThe GCS may be overloaded.")


@pytest.mark.parametrize(
    ("address", "cure"),
    [(None, "the machine is busy, try again"), ("10.0.0.1:6379", "the cluster's token")],
)
def test_cluster_that_does_not_start_is_an_error_in_one_line(address, cure, monkeypatch):
    from soundstage.runners.ray import connection

    def fail(**options):
        raise OVERLOADED

    monkeypatch.setattr(connection.ray, "is_initialized", lambda: False)
    monkeypatch.setattr(connection.ray, "init", fail)
    with pytest.raises(connection.ClusterError, match="node timed out during startup") as failed:
        with connection.cluster(address):
            pass
    assert failed.value.exit_code == 4
    assert cure in str(failed.value)
    assert "\n" not in str(failed.value)
