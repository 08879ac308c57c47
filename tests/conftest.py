"""Fixtures for all tests: a Ray cluster, empty folders for models, a hub.

JAX raises an error at every implicit promotion of a rank or a dtype, and keeps compiled programs
where the commands keep theirs, so that tests compile each once. Hypothesis gives an example as long
as it takes: a busy machine makes no test fail.
"""

import ctypes
import gc
import logging
import math
import os
import resource
import signal
from collections import Counter
from pathlib import Path

import jax
import pytest
from hypothesis import HealthCheck, settings

from soundstage.kernels import programs
from soundstage.runners.compilation import use_compilation_cache

TESTS = Path(__file__).parent
STATM = Path("/proc/self/statm")
# The memory of a process above which programs are forgotten, and how much it may grow then.
MOST_BYTES, GROWTH_BYTES = 1.05e9, 0.15e9

# Threads of NumPy's linear algebra wait busily, which costs each process that a test starts a tenth
# of a second.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Python's search for garbage took an eighth of the time in which pytest collects the tests.
gc.set_threshold(50_000, 20, 20)
use_compilation_cache()
# What is started with nohup ignores SIGHUP, and what a script starts in the background ignores
# SIGINT. So would the commands under test.
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")

settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    """Makes each process begin with another folder of tests.

    In a new environment each then compiles a part of the modules, and reads those of the others.
    """
    report = yield
    if collector.path == TESTS and "PYTEST_XDIST_WORKER" in os.environ:
        number = int(os.environ["PYTEST_XDIST_WORKER"].removeprefix("gw"))
        first = len(report.result) * number // int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
        report.result = report.result[first:] + report.result[:first]
    return report


def pytest_collection_modifyitems(items):
    """Puts the files with the most slow tests first, in the same order in all processes.

    Each file runs in one process: a long one that starts last would keep the other process idle.
    """
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: (-slow[item.path], item.path))


def pytest_collection_finish(session):
    """Takes what is there for the whole run out of the search for garbage."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish():
    """Searches for garbage once, so that pytest's own five searches have little to go through."""
    gc.collect()
    gc.freeze()


def pytest_xdist_auto_num_workers(config):
    """Returns the processes for `-n auto`: tests spend a fifth of their time waiting for others."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity is not None else os.cpu_count()
    return math.ceil(1.25 * cores)


def own_bytes():
    """Returns the memory of this process alone, 0 where the system does not tell.

    Ray's store of objects is shared, and forgotten programs do not make it smaller.
    """
    if not STATM.exists():
        return 0
    _, resident, shared, *_ = map(int, STATM.read_text().split())
    return (resident - shared) * resource.getpagesize()


def return_freed_memory():
    """Returns to the system what was freed: glibc keeps more than a gigabyte that XLA used."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


@pytest.fixture(scope="session")
def most_bytes():
    """The memory of this process above which programs are forgotten, in a list."""
    return [MOST_BYTES]


@pytest.fixture(autouse=True)
def memory_is_limited(most_bytes):
    """Forgets compiled programs after a test if they hold much memory; they stay on the disk."""
    yield
    if own_bytes() > most_bytes[0]:
        return_freed_memory()
    if own_bytes() > most_bytes[0]:
        programs._program.cache_clear()
        jax.clear_caches()
        gc.collect()  # a network may be held by a cycle, which is seldom searched for
        return_freed_memory()
        most_bytes[0] = math.inf
    # What is left then belongs to others: to forget after each test would compile all again.
    most_bytes[0] = max(MOST_BYTES, min(most_bytes[0], own_bytes() + GROWTH_BYTES))


@pytest.fixture(autouse=True)
def logs_of_the_server_are_as_before():
    """Undoes what a `serve` within a test changes: where the log goes, and from which level on."""
    logs = [logging.getLogger(name) for name in ("soundstage.serve", "uvicorn.error")]
    before = [(log.handlers, log.propagate, log.level) for log in logs]
    yield
    for log, (handlers, propagate, level) in zip(logs, before, strict=True):
        log.handlers, log.propagate = handlers, propagate
        log.setLevel(level)


@pytest.fixture(scope="module")
def ray_cluster():
    """A cluster for the tests of a file: at rest it still takes four hundredths of a core."""
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    import ray

    from soundstage.runners.ray.connection import LOOPBACK, without_extra_processes

    with without_extra_processes():
        ray.init(
            address="local",  # not another cluster on this machine
            num_gpus=0,  # so that "auto" is the CPU on every machine
            object_store_memory=200_000_000,  # pages that were used once stay in memory
            include_dashboard=False,
            log_to_driver=False,
            _node_ip_address=LOOPBACK,
        )
    yield ray
    ray.shutdown()


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A folder of models and a cache of the hub, both empty."""
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
