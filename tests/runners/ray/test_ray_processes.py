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
SUPPORT = TESTS / "support"
SCRIPTS, MACHINES = SUPPORT / "ray_scripts.py", SUPPORT / "machine_scripts.py"


@pytest.fixture(autouse=True)
def _find_the_graphs(monkeypatch):
    folders = (TESTS.parent, SUPPORT, SUPPORT / "graphs", SUPPORT / "stages")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, folders)))


def run(*command, timeout=280):
    return subprocess.run(
        [sys.executable, *map(str, command)],
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
def test_local_cluster_listens_on_loopback_only_and_runs_no_more_than_it_needs():
    process = run(SCRIPTS, "loopback")
    assert process.returncode == 0, process.stderr
    assert "only loopback addresses are open, and nothing runs that nobody asks" in process.stdout


def test_actor_sees_its_own_gpu_and_a_cpu_stage_sees_none():
    process = run(SCRIPTS, "fake_gpus")
    assert process.returncode == 0, process.stderr
    assert "each actor sees its own GPU" in process.stdout
    # A GPU that Ray counts and JAX cannot use is a problem of the stage that was placed on it.
    assert "placement.last: Ray reserved a device for it, but JAX there" in process.stdout
    assert "--place last=cpu" in process.stdout


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_lost_machines_change_no_value_and_no_byte():
    """One machine of stages is removed; one of engines is killed, and a new one takes its place."""
    process = run(MACHINES)
    assert process.returncode == 0, process.stdout + process.stderr
    went_on = "the music continued\nall streams went on to the same bytes\n"
    # Ray has none of its own on standard output, where audio may be.
    assert process.stdout == went_on


def test_placement_that_fits_nowhere_reports_what_is_missing():
    process = run(SCRIPTS, "misfits")
    assert process.returncode == 0, process.stderr
    assert "placement of sample: no machine of the cluster has 1 GPU" in process.stdout
    assert "placement of decode: no machine of the cluster has the label" in process.stdout
