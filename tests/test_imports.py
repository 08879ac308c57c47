"""Imports point one way, and heavy ones come late: `stages -> graph <- runners`."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("graph", "runners", "stages")
FILES = {
    str(path.relative_to(ROOT).as_posix()): path
    for path in (ROOT / "soundstage.py", *(f for p in PACKAGES for f in (ROOT / p).rglob("*.py")))
}
HEAVY = {
    "ai_edge_litert",
    "flax",
    "jax",
    "matplotlib",
    "pyarrow",
    "ray",
    "sounddevice",
    "soundfile",
    "textual",
}

# What compares our networks with recorded ones, and what fetches weights for them, must reach into
# them. May only shrink.
NAME_STAGES = {
    "stages/verification/depthformer_network.py",
    "stages/weights/published/networks.py",
    "stages/verification/checks.py",
    "stages/verification/depthformer.py",
    "stages/verification/spectrostream.py",
}
# The files that may import a library, whether at their top or late. May only shrink.
ONLY_IN = {
    "huggingface_hub": {"stages/weights/published/hub.py"},
    "ai_edge_litert": {"stages/musiccoca/litert.py"},
    "matplotlib": {"audio/plots.py"},
    "sounddevice": {"apps/player/sound_devices.py"},
    "soundfile": {"audio/compressed.py", "audio/reader.py"},
    "textual": {"apps/player/mixing_desk.py"},
}


def imports(path, typing_too=False):
    """The top-level modules a file imports anywhere; those for type checkers on request."""
    tree = ast.parse(path.read_text("utf-8"))
    if not typing_too:
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
                node.body = [ast.Pass()]
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports by full name"
            found.add(node.module)
    return {name.partition(".")[0] for name in found}


def importers(library):
    return {name for name, path in FILES.items() if library in imports(path)}


def within(package):
    return {name for name in FILES if name.startswith(f"{package}/")}


def loaded_after(script):
    """The heavy libraries a fresh process has loaded after a script."""
    show = f"; import sys; print(*sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script + show], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    ("package", "strangers"),
    [
        (
            "graph",
            {"stages", "runners", "soundstage", "training", "jax", "flax", "ray", "soundfile"},
        ),
        (
            "stages",
            {"runners", "soundstage", "training", "pyarrow", "ray", "soundfile", "matplotlib"},
        ),
        ("runners", {"stages", "soundstage", "training"}),
    ],
)
def test_imports_point_one_way(package, strangers):
    found = {name: imports(FILES[name]) & strangers for name in within(package)}
    assert {name: modules for name, modules in found.items() if modules} == {}


def test_even_type_checkers_see_imports_point_one_way():
    for package, strangers in [("graph", {"stages", "runners"}), ("stages", {"runners"})]:
        for name in within(package):
            assert not imports(FILES[name], typing_too=True) & strangers, name
    assert not [n for n in within("runners") if "stages" in imports(FILES[n], typing_too=True)]


def test_only_what_verifies_or_feeds_networks_names_a_module_of_stages():
    named = re.compile(r"import_module\(\s*[\"']stages\b")
    found = {name for name in within("runners") if named.search(FILES[name].read_text("utf-8"))}
    assert found == NAME_STAGES


@pytest.mark.parametrize(("library", "files"), ONLY_IN.items(), ids=ONLY_IN)
def test_a_library_is_imported_only_in_the_files_named_here(library, files):
    assert importers(library) == files


def test_ray_is_imported_only_by_the_runner_that_is_called_after_it():
    assert {name for name in importers("ray") if not name.startswith("runners/ray_")} == set()


def test_importing_soundstage_loads_nothing_heavy():
    assert loaded_after("import soundstage; dir(soundstage)") == set()


def test_the_command_line_starts_without_anything_heavy():
    assert loaded_after("import soundstage.apps.commands.main") == set()


def test_the_language_of_graphs_needs_arrow_and_nothing_else_that_is_heavy():
    modules = sorted(name.removesuffix(".py").replace("/", ".") for name in within("graph"))
    assert loaded_after(f"import {', '.join(modules)}") == {"pyarrow"}


def test_music_is_made_without_what_only_files_and_pictures_need():
    script = "import soundstage\nwith soundstage.open(preset='toy') as session: next(session)\npass"
    assert not loaded_after(script) & {"matplotlib", "ray", "sounddevice", "soundfile"}
