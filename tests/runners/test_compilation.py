"""The cache of compiled programs: users without a home folder, and folders that are read-only."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# A container may run as a user that its system does not know.
UNKNOWN_USER = """
import pwd
def unknown(user_id): raise KeyError(user_id)
pwd.getpwuid = unknown
"""
PLAY = """
import soundstage
placements = ["decode=cpu:0"]  # a device of JAX, which loads JAX
with soundstage.open("toy", placements=placements) as session: next(session)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="homes are elsewhere")
@pytest.mark.parametrize("home", [None, "blocked"])
def test_music_plays_without_a_home_that_can_be_written(tmp_path, home):
    (tmp_path / "blocked").write_text("a file, so that nothing can be made below it")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
    environment |= {"PYTHONPATH": str(ROOT), "HOME": str(tmp_path / "blocked")}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    script = PLAY
    if home is None:
        del environment["HOME"]
        script = UNKNOWN_USER + PLAY
    command = [sys.executable, "-c", script]
    done = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("no cache of compiled programs")
    assert "JAX_COMPILATION_CACHE_DIR" in line
    assert [path.name for path in tmp_path.iterdir()] == ["blocked"]
