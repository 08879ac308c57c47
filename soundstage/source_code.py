"""The digest of the source code that a compiled program is made from."""

import hashlib
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

# The rooms whose functions are compiled.
PACKAGES = ("soundstage.kernels", "soundstage.stages")
# Imports anywhere in a file, those within functions, too.
IMPORT = re.compile(rf"^ *(?:from|import) ((?:{'|'.join(PACKAGES)})[\w.]*)", re.MULTILINE)


@cache
def source_digest(*modules: str) -> str:
    """Returns the SHA-256, as hex digits, of modules and all they import of stages and kernels.

    Args:
        modules: full names; those of other rooms are left out.
    """
    known: dict[str, bytes] = {}
    waiting = [path for name in modules for path in _files(name)]
    while waiting:
        path = waiting.pop()
        if str(path) not in known:
            content, imported = _read(path)
            known[str(path)] = content
            waiting += [file for name in imported for file in _files(name)]
    root = _folders(PACKAGES[0])[0].parent if known else Path()
    digest = hashlib.sha256()
    for name in sorted(known):
        digest.update(f"{Path(name).relative_to(root).as_posix()}\n".encode())
        digest.update(known[name])
    return digest.hexdigest()


@cache
def _read(path: Path) -> tuple[bytes, list[str]]:
    """Returns a file's content, and the names of stages and kernels that it imports."""
    content = path.read_bytes()
    return content, IMPORT.findall(content.decode())


@cache
def _files(name: str) -> list[Path]:
    """Returns the file of a module, or all files of a package: its names may come from any."""
    for package in PACKAGES:
        if not f"{name}.".startswith(f"{package}."):
            continue
        for folder in _folders(package):
            place = folder.joinpath(*name.removeprefix(package).strip(".").split("."))
            if place.is_dir():
                return sorted(place.rglob("*.py"))
            return [file for file in [place.with_suffix(".py")] if file.is_file()]
    return []


@cache
def _folders(package: str) -> list[Path]:
    spec = find_spec(package)
    return [Path(place) for place in (spec.submodule_search_locations or ())] if spec else []
