"""Lint and types are clean, by the commands of CONTRIBUTING.md, and of the pre-commit hooks."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

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
    done = subprocess.run(
        [program, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
