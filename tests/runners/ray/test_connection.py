"""Clusters that do not start, and what those that do start leave out."""

import pytest

pytest.importorskip("ray", reason="the extra `ray` is not installed")
# What Ray raises on a machine that is too busy to start its processes in time.
OVERLOADED = Exception("The current node timed out during startup.\nThe GCS may be overloaded.")


VERSIONS = RuntimeError(
    "Version mismatch: The cluster was started with:\n    Ray: 2.9\n    Python: 3.12.1\n"
    "This process on node 10.0.0.2 was started with:\n    Ray: 2.60\n    Python: 3.11.7\n"
)
TOKEN = ConnectionError("Failed to connect to Ray cluster at 10.0.0.1:6379")
TOKEN.__cause__ = RuntimeError(
    "Failed to connect to GCS. Last connection error: Traceback ...\n"
    "ray.exceptions.AuthenticationError: RPC error: InvalidAuthToken: Authentication token is ..."
)
AT = "10.0.0.1:6379"


@pytest.mark.parametrize(
    ("address", "error", "line"),
    [
        (None, OVERLOADED, r"node timed out during startup.*the machine is busy, try again"),
        (AT, OVERLOADED, rf"no Ray cluster at {AT}: .*startup.; start one with `ray start --head`"),
        (AT, VERSIONS, r"3\.12\.1 .*3\.11\.7; install the same versions on all machines"),
        (AT, TOKEN, rf"cluster at {AT} refuses .*the cluster's token, .*RAY_AUTH_MODE=token"),
    ],
    ids=["local", "busy", "versions", "token"],
)
def test_cluster_that_cannot_be_used_is_an_error_in_one_line(address, error, line, monkeypatch):
    from soundstage.runners.ray import connection

    def fail(**options):
        raise error

    monkeypatch.setattr(connection.ray, "is_initialized", lambda: False)
    monkeypatch.setattr(connection.ray, "init", fail)
    monkeypatch.setattr(connection, "_knock", lambda address: None)
    with pytest.raises(connection.ClusterError, match=line) as failed:
        with connection.cluster(address):
            pass
    assert failed.value.exit_code == 4
    assert "\n" not in str(failed.value)


@pytest.mark.parametrize(
    ("address", "line"),
    [
        ("127.0.0.1:1", r"no Ray cluster at 127.0.0.1:1: .*refused"),
        ("127.0.0.1", r"no Ray cluster at 127.0.0.1: an address is HOST:PORT, .* or auto"),
    ],
)
def test_address_where_nothing_listens_is_an_error_at_once(address, line, monkeypatch):
    from soundstage.runners.ray import connection

    monkeypatch.setattr(connection.ray, "is_initialized", lambda: False)
    with pytest.raises(connection.ClusterError, match=line):
        with connection.cluster(address):
            pass


def test_node_is_as_before_once_its_cluster_has_started(monkeypatch):
    from soundstage.runners.ray import connection

    node = connection.node.Node
    monkeypatch.delattr(node, "start_monitor")  # as in a version of Ray that has none
    before = node.start_log_monitor
    with connection.without_extra_processes():
        assert node.start_log_monitor is not before
        assert not hasattr(node, "start_monitor")
    assert node.start_log_monitor is before
