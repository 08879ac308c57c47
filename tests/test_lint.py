"""Lint and types are clean, by the commands of CONTRIBUTING.md, and of the pre-commit hooks.

Mypy keeps what it has learnt about files of the same content where the programs are kept that JAX
has compiled: most of its time goes into libraries, and each clone has a new copy of them.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from soundstage.user_folders import user_cache_folder

ROOT = Path(__file__).parents[1]
LINE = next(
    line
    for line in (ROOT / "CONTRIBUTING.md").read_text("utf-8").splitlines()
    if line.startswith("ruff ")
)
COMMANDS = LINE.split(" && ")


def test_pre_commit_runs_the_same_lint_and_types():
    (local,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))["repos"]
    hooked = {hook["entry"].removesuffix(" --fix") for hook in local["hooks"]}
    assert hooked == {line.removesuffix(" .").replace(" --check", "") for line in COMMANDS}


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_source_is_clean(command):
    name, *arguments = command.split()
    program = Path(sys.executable).with_name(name)
    if not program.exists():
        pytest.skip(f"{name} is not installed in this environment")
    env = {"MYPY_CACHE_DIR": str(user_cache_folder() / "mypy")} | os.environ
    done = subprocess.run(
        [program, *arguments], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
