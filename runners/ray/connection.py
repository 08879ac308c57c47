"""The connection to a Ray cluster: a running one, or one started for the runner."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import ray
from ray._private import auto_init_hook, node, ray_constants, worker

from soundstage.errors import ClusterError
from soundstage.interrupts import at_stop, handle_signals

# A local cluster listens on this address only.
LOOPBACK = "127.0.0.1"
SHUT_DOWN_WITHIN_S = 5.0
KNOCK_WITHIN_S = 10.0
# Methods of Ray's node that start what prints logs, adds machines, and answers queries over HTTP.
EXTRA_STARTS = ("start_log_monitor", "start_monitor", "start_api_server")


@contextmanager
def cluster(address: str | None = None, dashboard: bool = False) -> Iterator[bool]:
    """Connects to Ray until the block ends.

    An existing connection of this process is used and left open. Without an address, a local
    cluster is started: it listens on the loopback interface, uses Ray's token authentication, and
    ends with the block, or with this process if it is killed.

    Args:
        address: a running cluster, "auto" or "host:port"; None starts a local one.
        dashboard: whether a local cluster serves Ray's dashboard, on the loopback interface.

    Yields:
        Whether the cluster was started here and ends with the block.

    Raises:
        ClusterError: there is no cluster at the address, or no cluster could be started.
    """
    # A tick that is requested again leaves results that are never fetched; Ray would print each.
    os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")
    if ray.is_initialized():
        if address is not None:
            raise ClusterError(
                f"--ray-address {address}: this process is connected to a Ray cluster already: "
                "disconnect it first with ray.shutdown()"
            )
        yield False
        return
    with at_stop(_shut_down):
        _connect(address, dashboard)
        handle_signals()  # Ray would raise SystemExit at SIGTERM
        try:
            yield address is None
        finally:
            ray.shutdown()


def never_connect_by_itself() -> None:
    """Keeps Ray from joining any cluster that it finds, from now to the end of this process.

    Ray does so at a call of a thread that does not know yet that the connection has ended.
    """
    auto_init_hook.enable_auto_connect = False


def _shut_down() -> None:
    """Ends the connection, and the cluster that was started here, if that takes no more than 5 s.

    Otherwise its processes end when they notice that this one is gone.
    """
    thread = threading.Thread(target=ray.shutdown, daemon=True)
    thread.start()
    thread.join(SHUT_DOWN_WITHIN_S)


def _connect(address: str | None, dashboard: bool) -> None:
    # Ray's log lines on standard error would break the progress bar; what its machines report, it
    # would print to standard output.
    worker._worker_logs_enabled = False
    try:
        if address is not None:
            _knock(address)
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        else:
            with _kept_on_loopback(), nullcontext() if dashboard else without_extra_processes():
                ray.init(
                    address="local",
                    include_dashboard=dashboard,
                    dashboard_host=LOOPBACK,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                    _node_ip_address=LOOPBACK,
                )
    except Exception as error:  # on a busy machine Ray raises a plain Exception
        raise ClusterError(_failed(address, error)) from error


def _knock(address: str) -> None:
    """Checks that something listens at HOST:PORT: Ray would try for many minutes.

    Raises:
        OSError: nothing does.
        ValueError: the address has no port.
    """
    host, _, port = address.rpartition(":")
    if address != "auto" and not (host and port):
        raise ValueError("an address is HOST:PORT, such as FIRST:6379, or auto")
    if host and port.isdecimal() and "//" not in host:
        socket.create_connection((host.strip("[]"), int(port)), KNOCK_WITHIN_S).close()


def _failed(address: str | None, error: Exception) -> str:
    """Returns why there is no connection, and the cure."""
    lines = (str(error).strip() or type(error).__name__).splitlines()
    if address is None:
        cure = "where the machine is busy, try again; or run without --runner ray"
        return f"no local Ray cluster could start: {lines[0]}; {cure}"
    if lines[0].startswith("Version mismatch"):
        # "Version mismatch: The cluster was started with:" tells nothing without the lines after.
        versions = " ".join(map(str.strip, lines))
        return f"{address}: {versions}; install the same versions on all machines"
    # Ray keeps its own AuthenticationError as a text.
    if any("InvalidAuthToken" in str(one) for one in _causes(error)):
        return (
            f"the Ray cluster at {address} refuses this process: it needs the cluster's token, in "
            "~/.ray/auth_token or RAY_AUTH_TOKEN, and RAY_AUTH_MODE=token (docs/scaling.md)"
        )
    cure = "start one with `ray start --head`, or leave --ray-address out"
    return f"no Ray cluster at {address}: {lines[0]}; {cure}"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yields an error and what it was raised from or after."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


@contextmanager
def without_extra_processes() -> Iterator[None]:
    """Keeps Ray from starting, with a local cluster, processes that nothing here asks.

    They take a third of the cluster's time to start. Ray has no setting for that.
    """

    def leave_out(_: object, **settings: object) -> None: ...

    # Another version of Ray may not have all of them.
    before = {name: getattr(node.Node, name) for name in EXTRA_STARTS if hasattr(node.Node, name)}
    for name in before:
        setattr(node.Node, name, leave_out)
    try:
        yield
    finally:
        for name, method in before.items():
            setattr(node.Node, name, method)


@contextmanager
def _kept_on_loopback() -> Iterator[None]:
    """Keeps Ray from replacing the loopback address by the machine's external one.

    Where Ray supports clusters, it replaces the address and listens on every interface. Its setting
    is an environment variable, which it reads when it is imported: too early for this process.
    """
    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before
