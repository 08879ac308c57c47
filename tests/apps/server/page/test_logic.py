"""The page's logic, without a browser: node runs every test in `logic/`."""

import shutil
import subprocess
from pathlib import Path

import pytest

TESTS = sorted((Path(__file__).parent / "logic").glob("*.test.mjs"))


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_page_logic_passes_its_node_tests():
    command = ["node", "--test", *map(str, TESTS)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert TESTS
    assert run.returncode == 0, run.stdout + run.stderr
