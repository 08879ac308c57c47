"""Compiled programs are kept by their source code, and found again from wherever it lies."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Compiles a kernel, and prints how many programs it had to compile itself.
ADD = """
import numpy as np
from soundstage.kernels import compiled
from soundstage.kernels.kept_programs import kernels_folder

def add(a, b):
    return a + b

add.__module__ = "soundstage.kernels.team"
add = compiled.compiled(add)
assert add(1, 2) == 3
print(sum(add.stats.cache_misses.values()))
"""


def misses(folder, cache):
    """The programs that a process compiles which has the source code in a folder of its own."""
    folder.mkdir()
    (folder / "add.py").write_text(ADD)
    env = os.environ | {"XDG_CACHE_HOME": str(cache), "PYTHONPATH": str(ROOT)}
    return int(
        subprocess.run(
            [sys.executable, "add.py"],
            cwd=folder,
            env=env,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    )


def test_same_source_code_in_another_folder_is_not_compiled_again(tmp_path):
    pytest.importorskip("numba", reason="numba is not installed")
    cache = tmp_path / "cache"
    assert misses(tmp_path / "here", cache) == 1
    assert misses(tmp_path / "there", cache) == 0


def test_kernels_work_without_a_folder_that_can_be_written(tmp_path):
    pytest.importorskip("numba", reason="numba is not installed")
    cache = tmp_path / "cache"
    cache.write_text("a file, in place of the folder")
    assert misses(tmp_path / "here", cache) == 1
