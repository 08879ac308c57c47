"""The Ray cluster behind a runner: one that is running, or one started here for as long."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

import ray
from ray._private import ray_constants

from soundstage.errors import Error

# Everything that Ray serves stays on this machine unless an address says otherwise.
LOOPBACK = "127.0.0.1"


class ClusterError(Error):
    """There is no Ray cluster to work with."""

    exit_code = 4


@contextmanager
def cluster(address: str | None = None, dashboard: bool = False) -> Iterator[bool]:
    """Connects to Ray for as long as the block runs.

    A connection that this process already has is used and left alone. Without an address, a local
    cluster is started: it listens on the loopback interface, keeps Ray's token authentication on,
    and ends with the block, or with this process however that ends.

    Args:
        address: a running cluster, "auto" or "host:port"; None starts a local one.
        dashboard: whether a local cluster serves Ray's dashboard, on the loopback interface.

    Yields:
        Whether the cluster was started here, and everything in it ends with the block.

    Raises:
        ClusterError: there is no cluster at the address, or none could be started.
    """
    # A tick that is asked for again leaves answers that nobody fetches. Ray would print each.
    os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")
    if ray.is_initialized():
        if address is not None:
            raise ClusterError(
                f"--ray-address {address}: this process is connected to a Ray cluster already"
            )
        yield False
        return
    _connect(address, dashboard)
    try:
        yield address is None
    finally:
        ray.shutdown()


def _connect(address: str | None, dashboard: bool) -> None:
    # Ray's own lines on standard error would run into our progress bar.
    try:
        if address is not None:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        else:
            with _kept_on_loopback():
                ray.init(
                    address="local",
                    include_dashboard=dashboard,
                    dashboard_host=LOOPBACK,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                    _node_ip_address=LOOPBACK,
                )
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        where = f"no Ray cluster at {address}" if address else "no local Ray cluster could start"
        cure = "start one with `ray start --head`, or leave --ray-address out" if address else ""
        raise ClusterError(f"{where}: {error}; {cure}".rstrip("; ")) from error


@contextmanager
def _kept_on_loopback() -> Iterator[None]:
    """Keeps Ray from replacing the loopback address by the machine's outward one.

    It does so wherever it takes clusters for supported, and then serves every interface. What it
    goes by it reads from the environment when it is imported, which is too early for us.
    """
    supported = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = supported
