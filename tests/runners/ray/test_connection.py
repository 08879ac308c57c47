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
    monkeypatch.setattr(connection, "_knock", lambda address: None)
    with pytest.raises(connection.ClusterError, match="node timed out during startup") as failed:
        with connection.cluster(address):
            pass
    assert failed.value.exit_code == 4
    assert cure in str(failed.value)
    assert "\n" not in str(failed.value)


def test_address_where_nothing_listens_is_an_error_at_once(monkeypatch):
    from soundstage.runners.ray import connection

    monkeypatch.setattr(connection.ray, "is_initialized", lambda: False)
    with pytest.raises(connection.ClusterError, match=r"no Ray cluster at 127.0.0.1:1: .*refused"):
        with connection.cluster("127.0.0.1:1"):
            pass


def test_cluster_of_another_version_is_one_line_with_both_versions(monkeypatch):
    from soundstage.runners.ray import connection

    def fail(**options):
        raise RuntimeError(
            "Version mismatch: The cluster was started with:\n    Ray: 2.9\n    Python: 3.12.1\n"
            "This process on node 10.0.0.2 was started with:\n    Ray: 2.60\n    Python: 3.11.7\n"
        )

    monkeypatch.setattr(connection.ray, "is_initialized", lambda: False)
    monkeypatch.setattr(connection.ray, "init", fail)
    monkeypatch.setattr(connection, "_knock", lambda address: None)
    with pytest.raises(connection.ClusterError, match=r"Python: 3\.12\.1 .*Python: 3\.11\.7"):
        with connection.cluster("10.0.0.1:6379"):
            pass
