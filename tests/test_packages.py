"""Everything that is code is installed, under one name, whatever else goes by a name of a room."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
FOLDERS = SETUPTOOLS["package-dir"]
# What a user may have beside a script of theirs.
NAMES = (
    "apps",
    "audio",
    "graph",
    "kernels",
    "presets",
    "runners",
    "stages",
    "testing",
    "tests",
    "training",
)
PLAY = """
import soundstage

with soundstage.open(preset="toy", settings=["format.chunk_s=0.2"]) as session:
    print(next(session).audio.shape)
"""


def test_every_package_is_listed_and_nothing_else():
    there = {
        ".".join((package, *path.parent.relative_to(ROOT / folder).parts))
        for package, folder in FOLDERS.items()
        if package != "soundstage"
        for path in (ROOT / folder).rglob("*.py")
    }
    assert set(SETUPTOOLS["packages"]) == there | {"soundstage"}


def test_type_checkers_of_other_projects_find_the_types():
    assert {"*.pyi", "py.typed"} <= set(SETUPTOOLS["package-data"]["soundstage"])
    assert (ROOT / "soundstage" / "py.typed").is_file()


def test_container_gets_the_folder_of_every_room():
    copied = re.findall(r"^COPY (\S+) \1$", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    assert set(copied) == set(FOLDERS.values())


def test_no_cure_installs_from_an_index_that_does_not_have_the_package():
    rooms = [ROOT / folder for folder in ("docs", *FOLDERS.values())]
    files = [file for room in rooms for end in ("py", "md") for file in room.rglob(f"*.{end}")]
    named = re.compile(r"pip install ['\"]?soundstage\b")
    assert [file for file in files if named.search(file.read_text("utf-8"))] == []


def test_one_top_level_name_is_installed():
    assert {name.partition(".")[0] for name in SETUPTOOLS["packages"]} == {"soundstage"}
    assert "py-modules" not in SETUPTOOLS


def test_links_in_the_package_lead_to_the_rooms():
    for package, folder in FOLDERS.items():
        if package != "soundstage":
            link = ROOT / "soundstage" / folder
            assert link.readlink() == Path("..") / folder
            assert package == f"soundstage.{folder}"


@pytest.fixture(params=["modules", "folders"])
def crowded(request, tmp_path):
    """A folder with a script beside modules or packages of the rooms' names."""
    for name in NAMES:
        path = tmp_path / (f"{name}.py" if request.param == "modules" else f"{name}/__init__.py")
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"raise SystemExit('this is the {name} of somebody else')\n")
    (tmp_path / "script.py").write_text(PLAY)
    return tmp_path


def run_in(folder, *words):
    return subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_script_beside_modules_of_the_rooms_names_plays(crowded):
    played = run_in(crowded, "script.py")
    assert (played.returncode, played.stdout) == (0, "(1, 9600, 2)\n"), played.stderr


def test_a_command_beside_modules_of_the_rooms_names_plays(crowded):
    words = ("generate", "bells", "--preset", "toy", "--duration", "1", "--output", "bells.wav")
    played = run_in(crowded, "-m", "soundstage", *words)
    assert played.returncode == 0, played.stderr
    assert (crowded / "bells.wav").stat().st_size > 48_000


def test_a_checkout_without_links_plays(tmp_path):
    """Archives and some file systems keep no symbolic links: the rooms are found beside."""
    (tmp_path / "soundstage").mkdir()
    for path in (ROOT / "soundstage").glob("*.py*"):
        (tmp_path / "soundstage" / path.name).symlink_to(path)
    for folder in FOLDERS.values():
        if folder != "soundstage":
            (tmp_path / folder).symlink_to(ROOT / folder)
    script = tmp_path / "elsewhere" / "script.py"
    script.parent.mkdir()
    script.write_text(PLAY)
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    played = subprocess.run(
        [sys.executable, script],
        cwd=script.parent,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (played.returncode, played.stdout) == (0, "(1, 9600, 2)\n"), played.stderr
