"""Ray clusters: processes that are killed, machines that are removed, and GPUs."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="the extra `ray` is not installed")
pytestmark = [pytest.mark.ray, pytest.mark.slow]
TESTS = Path(__file__).parents[2]
SCRIPTS = TESTS / "support" / "ray_scripts.py"


@pytest.fixture(autouse=True)
def _find_the_graphs(monkeypatch):
    folders = (TESTS.parent, TESTS / "support" / "graphs", TESTS / "support" / "stages")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, folders)))


def run(name, timeout=280):
    return subprocess.run(
        [sys.executable, str(SCRIPTS), name],
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )


def alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_killed_driver_leaves_no_process():
    with subprocess.Popen(
        [sys.executable, str(SCRIPTS), "orphan"], stdout=subprocess.PIPE, text=True
    ) as driver:
        assert driver.stdout is not None
        pids = [int(pid) for pid in driver.stdout.readline().split()]
        assert len(pids) == 2
        assert all(alive(pid) for pid in pids)
        os.kill(driver.pid, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while any(alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert not any(alive(pid) for pid in pids)


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads /proc")
def test_local_cluster_listens_on_loopback_only():
    process = run("loopback")
    assert process.returncode == 0, process.stderr
    assert "only loopback addresses are open" in process.stdout


def test_actor_sees_its_own_gpu_and_a_cpu_stage_sees_none():
    process = run("fake_gpus")
    assert process.returncode == 0, process.stderr
    assert "each actor sees its own GPU" in process.stdout
    # A GPU that Ray counts and JAX cannot use is a problem of the stage that was placed on it.
    assert "placement.last: Ray reserved a device for it, but JAX there" in process.stdout
    assert "--place last=cpu" in process.stdout


def test_removing_a_machine_changes_no_value():
    process = run("node_removed")
    assert process.returncode == 0, process.stdout + process.stderr
    assert "the music continued" in process.stdout


def test_placement_that_fits_nowhere_reports_what_is_missing():
    process = run("misfits")
    assert process.returncode == 0, process.stderr
    assert "placement of sample: no machine of the cluster has 1 GPU" in process.stdout
    assert "placement of decode: no machine of the cluster has the label" in process.stdout
