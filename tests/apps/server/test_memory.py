"""Freed memory goes back to the system, or is used again for the next chunks."""

import mmap
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

# Fills as many messages of chunks as are sent in a minute; prints how many pages that mapped.
USED_AGAIN = """
import resource
import sys
import numpy as np
from soundstage.apps.server.memory import give_back_large_blocks

def mapped():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

assert give_back_large_blocks()
before = mapped()
for _ in range(30):
    np.ones(int(sys.argv[1]), np.uint8)
print(mapped() - before)
"""


def printed(program, argument):
    command = [sys.executable, "-c", program, argument]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems keep memory in other ways")
def test_freed_blocks_are_not_kept():
    assert printed(FREED, "served") < 10_000
    assert printed(FREED, "plain") > 50_000


@pytest.mark.skipif(sys.platform != "linux", reason="other systems keep memory in other ways")
def test_memory_of_a_sent_chunk_is_used_for_the_next():
    bytes_16 = 96_000 * 2 * 2
    once = bytes_16 // mmap.PAGESIZE
    assert printed(USED_AGAIN, str(bytes_16)) < 3 * once
    assert printed(USED_AGAIN, str(4 * bytes_16)) > 30 * once


def test_other_systems_are_left_as_they_are(monkeypatch):
    monkeypatch.setattr("sys.platform", "darwin")
    assert not give_back_large_blocks()
