"""Freed memory goes back to the system, although small blocks lie between large ones."""

import subprocess
import sys

import pytest

from soundstage.apps.server.memory import give_back_large_blocks

# Frees a block of 5 MB first, after which glibc keeps those of that size; prints the kB that stay.
FREED = """
import sys
import numpy as np
from soundstage.apps.server.memory import give_back_large_blocks

def resident_kb():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if "VmRSS" in line)

if sys.argv[1] == "served":
    assert give_back_large_blocks()
np.ones(5 << 20, np.uint8)
before, large, small = resident_kb(), [], []
for _ in range(20):
    large.append(np.ones(4 << 20, np.uint8))
    small.append(np.ones(1 << 16, np.uint8))
large.clear()
print(resident_kb() - before)
"""


def kept_kb(mode):
    command = [sys.executable, "-c", FREED, mode]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems keep memory in other ways")
def test_freed_blocks_are_not_kept():
    assert kept_kb("served") < 10_000
    assert kept_kb("plain") > 50_000


def test_other_systems_are_left_as_they_are(monkeypatch):
    monkeypatch.setattr("sys.platform", "darwin")
    assert not give_back_large_blocks()
