"""Everything that is code is installed."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROOMS = ("graph", "runners", "stages", "training")


def test_every_package_is_listed_and_nothing_else():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    there = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
    }
    assert set(listed) == there
