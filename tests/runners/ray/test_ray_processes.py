"""Ray, seen from outside: processes, machines and GPUs that are there, on paper, or gone."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="the extra `ray` is not installed")
pytestmark = [pytest.mark.ray, pytest.mark.slow]
SCRIPTS = Path(__file__).parents[2] / "support" / "ray_scripts.py"


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
def test_a_driver_that_is_killed_leaves_no_process_behind():
    with subprocess.Popen(
        [sys.executable, str(SCRIPTS), "orphan"], stdout=subprocess.PIPE, text=True
    ) as driver:
        assert driver.stdout is not None
        pids = [int(pid) for pid in driver.stdout.readline().split()]
        assert len(pids) == 7
        assert all(alive(pid) for pid in pids)
        os.kill(driver.pid, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while any(alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert not any(alive(pid) for pid in pids)


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads /proc")
def test_a_cluster_of_our_own_listens_on_the_loopback_interface_only():
    ran = run("loopback")
    assert ran.returncode == 0, ran.stderr
    assert "only loopback addresses are open" in ran.stdout


def test_an_actor_sees_its_own_gpu_and_a_cpu_stage_sees_none():
    ran = run("fake_gpus")
    assert ran.returncode == 0, ran.stderr
    assert "each actor sees its own GPU" in ran.stdout


def test_a_machine_that_goes_away_changes_no_byte():
    ran = run("node_removed")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "the music continued" in ran.stdout


def test_a_placement_that_fits_nowhere_says_what_is_missing():
    ran = run("misfits")
    assert ran.returncode == 0, ran.stderr
    assert "placement of sample: no machine of the cluster has 1 GPU" in ran.stdout
    assert "placement of decode: no machine of the cluster has the label" in ran.stdout
