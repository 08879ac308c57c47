"""Imports point one way through the rooms, and heavy libraries come late."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# What the modules of each room may import of the others. The front door imports every room when one
# of its names is first used; `soundstage` here is what stands beside it: errors, files, progress.
MAY_IMPORT = {
    "soundstage": set(),
    "graph": {"soundstage"},
    "presets": {"soundstage", "graph"},
    "audio": {"soundstage", "graph"},
    "kernels": {"soundstage"},
    "stages": {"soundstage", "graph", "presets", "audio", "kernels"},
    "runners": {"soundstage", "graph", "presets", "audio"},
    "verification": {"soundstage", "graph", "presets", "audio", "kernels", "stages"},
    "testing": {"soundstage", "graph", "presets", "audio", "kernels", "stages", "runners"},
    "apps": {
        "soundstage",
        "graph",
        "presets",
        "audio",
        "kernels",
        "stages",
        "runners",
        "verification",
    },
    "training": {"soundstage", "graph", "presets", "audio", "kernels", "stages", "runners"},
}
# Folders within a room that may import a room which the rest of it may not.
MAY_ALSO = {"apps/commands/": {"training"}}
# Folders within a room that do without others of the same room.
APART = {
    "apps/client/": {"apps/commands/", "apps/player/"},
    "apps/player/": {"apps/client/", "apps/commands/", "apps/server/"},
    "apps/server/": {"apps/client/", "apps/commands/", "apps/player/"},
    "runners/engine/": {"runners/traces/"},
}
# The front door names every room, each at its first use; `python -m soundstage` is a command line.
DOORS = {"soundstage/__init__.py", "soundstage/__main__.py"}
# Who imports modules by name: what finds the classes of pipeline files.
BY_NAME = {"graph/declaration.py"}
HEAVY = {
    "ai_edge_litert",
    "flax",
    "jax",
    "matplotlib",
    "numba",
    "pyarrow",
    "ray",
    "scipy",
    "sounddevice",
    "soundfile",
    "textual",
}
# The files that may import a library, whether at their top or late. May only shrink.
ONLY_IN = {
    "huggingface_hub": {"stages/weights/published/hub.py"},
    "ai_edge_litert": {"stages/musiccoca/litert.py"},
    "matplotlib": {"audio/plots.py"},
    "opentelemetry": {"apps/server/telemetry.py"},
    "sounddevice": {"apps/player/sound_devices.py"},
    "soundfile": {"audio/compressed.py", "audio/reader.py"},
    "textual": {"apps/player/mixing_desk.py"},
}
# Libraries that a room does without.
WITHOUT = {
    "soundstage": {"jax", "flax", "ray", "soundfile", "pyarrow", "numpy"},
    "graph": {"jax", "flax", "ray", "soundfile"},
    "presets": {"jax", "flax", "ray", "soundfile", "pyarrow", "numpy"},
    "audio": {"jax", "flax", "ray"},
    "kernels": {"flax", "ray", "soundfile", "pyarrow"},
    "stages": {"pyarrow", "ray", "soundfile", "matplotlib"},
    "runners": {"soundfile", "matplotlib", "sounddevice", "starlette"},
}
ROOMS = [f"{room}/" for room in MAY_IMPORT]
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
FILES = {
    path.relative_to(ROOT).as_posix(): path
    for room in MAY_IMPORT
    for path in sorted((ROOT / room).rglob("*.py"))
    # Below soundstage/ the other rooms are seen again, through links.
    if room != "soundstage" or path.parent == ROOT / "soundstage"
}


def statements(node, for_checkers=False):
    """Each statement within a node, and whether it is for type checkers alone."""
    typing = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    for block in ("body", "handlers", "orelse", "finalbody", "cases"):
        hidden = for_checkers or (typing and block == "body")
        for inner in getattr(node, block, ()):
            yield inner, hidden
            yield from statements(inner, hidden)


@cache
def imports(path):
    """The full names of the modules that a file imports: anywhere, and when it runs."""
    anywhere, running = set(), set()
    for node, for_checkers in statements(ast.parse(path.read_text("utf-8"))):
        found = set()
        if isinstance(node, ast.Import):
            found = {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports by full name"
            found = {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        anywhere |= found
        running |= set() if for_checkers else found
    return anywhere, running


def libraries(name):
    return {module.partition(".")[0] for module in imports(FILES[name])[1]}


def rooms(name):
    """The rooms that a file imports."""
    modules = {module for module in imports(FILES[name])[0] if module.startswith("soundstage.")}
    found = {module.split(".")[1] for module in modules}
    return {room if room in MAY_IMPORT else "soundstage" for room in found}


def within(room):
    return {name for name in FILES if name.startswith(f"{room}/")}


def loaded_after(script):
    """The heavy libraries a fresh process has loaded after a script."""
    show = f"; import sys; print(*sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script + show], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines()[-1].split())


def arrows():
    """(room, room that it imports), without those that follow from others; folders apart last."""
    for room, below in MAY_IMPORT.items():
        indirect = set().union(*(MAY_IMPORT[other] for other in below))
        yield from ((f"{room}/", f"{other}/") for other in MAY_IMPORT if other in below - indirect)
    for folder, more in MAY_ALSO.items():
        yield from ((folder, f"{other}/") for other in sorted(more))


def picture():
    """The rooms and their arrows, as Mermaid."""

    def node(folder):
        # A bare `graph` is a word of Mermaid's own.
        return f"room_{folder.strip('/').replace('/', '_')}"

    lines = [f'    {node(folder)}["{folder}"]' for folder in (*ROOMS, *MAY_ALSO)]
    lines += [f"    {node(folder.split('/')[0])} -.- {node(folder)}" for folder in MAY_ALSO]
    lines += [f"    {node(room)} --> {node(other)}" for room, other in arrows()]
    return "\n".join(["```mermaid", "flowchart TB", *lines, "```"])


def test_architecture_shows_the_rooms_and_their_arrows():
    assert picture() in ARCHITECTURE, picture()


def test_architecture_lists_every_folder():
    folders = {f"{path.parent.relative_to(ROOT).as_posix()}/" for path in FILES.values()}
    # The corpus, the trainers and what is below a command are described where they are.
    deep = ("training/", "apps/commands/")
    folders = {folder for folder in folders if not (folder.startswith(deep) and folder not in deep)}
    assert {folder for folder in folders if f"| `{folder}` |" not in ARCHITECTURE} == set()


def test_every_folder_of_the_package_is_a_room_of_the_table():
    inside = {path.name for path in (ROOT / "soundstage").iterdir() if path.is_dir()}
    assert inside - {"__pycache__"} == MAY_IMPORT.keys() - {"soundstage"}


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_rooms_import_only_what_the_table_allows(room):
    strangers = {}
    for name in within(room) - DOORS:
        also = set().union(*(more for start, more in MAY_ALSO.items() if name.startswith(start)))
        strangers[name] = rooms(name) - MAY_IMPORT[room] - also - {room}
    assert {name: found for name, found in strangers.items() if found} == {}


@pytest.mark.parametrize("folder", APART)
def test_folders_of_a_room_do_without_these_others(folder):
    names = [name for name in FILES if name.startswith(folder)]
    paths = {name: {m.replace(".", "/") + "/" for m in imports(FILES[name])[0]} for name in names}
    strangers = tuple(f"soundstage/{other}" for other in APART[folder])
    found = {name: {p for p in paths[name] if p.startswith(strangers)} for name in names}
    assert {name: modules for name, modules in found.items() if modules} == {}


def test_only_the_class_loader_imports_by_name():
    found = {name for name in FILES if "import_module(" in FILES[name].read_text("utf-8")}
    assert found == BY_NAME


@pytest.mark.parametrize("room", WITHOUT)
def test_rooms_do_without_libraries_that_others_are_for(room):
    found = {name: libraries(name) & WITHOUT[room] for name in within(room)}
    allowed = {"runners": {"ray"}}.get(room, set())
    assert {name: used - allowed for name, used in found.items() if used - allowed} == {}


@pytest.mark.parametrize(("library", "files"), ONLY_IN.items(), ids=ONLY_IN)
def test_a_library_is_imported_only_in_the_files_named_here(library, files):
    # Training reads audio and writes examples with the same libraries, and is no part of playing.
    playing = {name for name in FILES if not name.startswith("training/")}
    assert {name for name in playing if library in libraries(name)} == files


def test_ray_is_imported_only_by_the_runner_that_is_called_after_it():
    users = {name for name in FILES if "ray" in libraries(name)}
    assert {name for name in users if not name.startswith("runners/ray/")} == set()


def test_no_module_goes_by_a_short_name():
    """In a checkout `import graph.port` works and gives a second `Port` class."""
    short = set(MAY_IMPORT) - {"soundstage"}
    everywhere = [
        path
        for folder in (*MAY_IMPORT, "tests", "benchmarks")
        for path in (ROOT / folder).rglob("*.py")
    ]
    found = {
        str(path): short & {module.partition(".")[0] for module in imports(path)[0]}
        for path in everywhere
    }
    assert {name: modules for name, modules in found.items() if modules} == {}


def test_importing_soundstage_loads_nothing_heavy():
    assert loaded_after("import soundstage; dir(soundstage)") == set()


def test_the_command_line_starts_without_anything_heavy():
    assert loaded_after("import soundstage.apps.commands.main") == set()


def test_the_language_of_graphs_needs_arrow_and_nothing_else_that_is_heavy():
    names = sorted(within("graph"))
    modules = [f"soundstage.{name.removesuffix('.py').replace('/', '.')}" for name in names]
    assert loaded_after(f"import {', '.join(modules)}") == {"pyarrow"}


def test_music_is_made_without_what_only_files_and_pictures_need():
    script = "import soundstage\nwith soundstage.open(preset='toy') as session: next(session)\npass"
    assert not loaded_after(script) & {"matplotlib", "numba", "ray", "sounddevice", "soundfile"}


def test_a_network_whose_programs_are_kept_is_run_without_flax_and_scipy():
    script = (
        "import soundstage\nwith soundstage.open(preset='demo') as session: next(session)\npass"
    )
    loaded_after(script)  # traces what is not kept yet
    assert not loaded_after(script) & {"flax", "scipy"}


def test_a_server_starts_without_what_only_some_clients_need():
    loaded = loaded_after("import soundstage.apps.server.lifetime")
    assert not loaded & {"jax", "matplotlib", "numba", "ray", "scipy"}
