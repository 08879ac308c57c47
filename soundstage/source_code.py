"""The digest of the source code that compiled programs are made from."""

import hashlib
from functools import cache
from importlib.util import find_spec
from pathlib import Path

# The rooms whose functions are compiled.
PACKAGES = ("soundstage.kernels", "soundstage.stages")


@cache
def source_digest() -> str:
    """Returns the SHA-256 of the source code of all stages and kernels, as hex digits."""
    digest = hashlib.sha256()
    for package in PACKAGES:
        for folder in _folders(package):
            for path in sorted(folder.rglob("*.py")):
                digest.update(f"{package} {path.relative_to(folder)}\n".encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()


def _folders(package: str) -> list[Path]:
    spec = find_spec(package)
    return [Path(place) for place in (spec.submodule_search_locations or ())] if spec else []
