"""A folder of variants: which of them it holds already, and how the others will be called."""

from __future__ import annotations

import hashlib
import json
import os
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from soundstage.apps.commands.variants.manifest import Manifest, ManifestEntry, write_manifest
from soundstage.apps.commands.variants.variants_request import CheckedVariants, Variant
from soundstage.audio.provenance import Provenance
from soundstage.errors import OutputError
from soundstage.files import file_sha256
from soundstage.runners.sessions.provenance import describe

PAGE = "index.html"
_LONGEST_SLUG = 40
_GENERATOR = b'name="generator" content="soundstage '


@dataclass(frozen=True)
class Slot:
    """One variant's place in the folder.

    Attributes:
        variant: what is asked for.
        made: what goes into the file's tags.
        request: hex digest of everything that determines the file's bytes.
        file: its name.
        entry: what the manifest says of it if it is there already, else None.
    """

    variant: Variant
    made: Provenance
    request: str
    file: str
    entry: ManifestEntry | None


class ManifestWriter:
    """Keeps a folder's manifest in step with its files."""

    def __init__(self, folder: Path, slots: Sequence[Slot], before: Manifest) -> None:
        """Writes nothing yet.

        Args:
            folder: where the files are.
            slots: what this run asks for, in order.
            before: the manifest as it was found.
        """
        self.entries = {slot.file: slot.entry for slot in slots if slot.entry is not None}
        self._folder = folder
        self._files = [slot.file for slot in slots]
        self._earlier = tuple(e for e in before.entries if e.file not in self._files)
        self._left = tuple(
            file for file in before.pending if file not in self._files and (folder / file).exists()
        )

    @property
    def finished(self) -> tuple[ManifestEntry, ...]:
        """What this run asks for and is there, in the order it was asked for."""
        return tuple(self.entries[file] for file in self._files if file in self.entries)

    def keep(self, entries: Iterable[ManifestEntry] = ()) -> None:
        """Takes in what has been finished and writes the manifest.

        To be called before the first file appears, too: what the manifest says is to come is ours
        even if the process is killed before it can say that it is there.

        Raises:
            OutputError: it cannot be written.
        """
        self.entries |= {entry.file: entry for entry in entries}
        pending = tuple(file for file in self._files if file not in self.entries)
        manifest = Manifest(self.finished, (*pending, *self._left), self._earlier)
        write_manifest(self._folder, manifest)


def arrange(
    plan: CheckedVariants,
    weights: Mapping[str, Mapping[str, str]],
    manifest: Manifest,
    version: str,
) -> list[Slot]:
    """Gives every variant its file; a finished one keeps the file it has.

    Raises:
        OutputError: a file of that name is there and none of ours.
    """
    destination = plan.order.destination
    described = [_described(plan, weights, variant, version) for variant in plan.variants]
    there = {} if destination.again else _finished(destination.folder, manifest)
    # Two rows may ask for the same: each has a file of its own.
    kept = [there[asked].pop() if there.get(asked) else None for _, asked in described]
    taken = {entry.file for entry in kept if entry is not None}
    slots = []
    for index, variant in enumerate(plan.variants):
        (made, request), entry = described[index], kept[index]
        if entry is None:
            file = _free(_name(plan, index + 1, variant, made), taken)
            taken.add(file)
        else:
            file, entry = entry.file, replace(entry, name=variant.name)
        slots.append(Slot(variant, made, request, file, entry))
    _refuse_foreign(destination.folder, manifest, [slot.file for slot in slots])
    return slots


def _described(
    plan: CheckedVariants, weights: Mapping[str, Mapping[str, str]], variant: Variant, version: str
) -> tuple[Provenance, str]:
    made = describe(plan.graph, weights, variant.row, variant.prompts, plan.chunks, version)
    digest = hashlib.sha256(made.to_json().encode())
    digest.update(json.dumps([plan.total_samples, plan.order.destination.suffix]).encode())
    for name, value in variant.row.items():
        digest.update(f"\n{name} ".encode())
        plain = np.ascontiguousarray(value)
        digest.update(repr(value).encode() if plain.dtype.kind == "U" else plain.tobytes())
    return made, digest.hexdigest()


def _finished(folder: Path, manifest: Manifest) -> dict[str, list[ManifestEntry]]:
    """By request, what is there, whole, and as it was when it was made; the first one last."""
    found: dict[str, list[ManifestEntry]] = {}
    for entry in reversed(manifest.entries):
        path = folder / entry.file
        if path.is_file() and file_sha256(path) == entry.sha256:
            found.setdefault(entry.request, []).append(entry)
    return found


def _name(plan: CheckedVariants, index: int, variant: Variant, made: Provenance) -> str:
    width = max(2, len(str(len(plan.variants))))
    words = variant.name or " ".join(str(prompt) for prompt in made.prompts)
    seed = f"-seed{made.seeds[0]}" if made.seeds else ""
    return f"{index:0{width}}-{slug(words)}{seed}{plan.order.destination.suffix}"


def slug(text: str) -> str:
    """Letters and digits of any script, joined by hyphens, short enough for every file system."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    words = "".join(c if c.isalnum() else " " for c in folded).split()
    name = ""
    for word in words:
        longer = f"{name}-{word}" if name else word[:_LONGEST_SLUG]
        if len(longer) > _LONGEST_SLUG:
            break
        name = longer
    return name or "variant"


def _free(name: str, taken: Collection[str]) -> str:
    """The name, or if a kept file has it, the name with a number."""
    stem, suffix = Path(name).stem, Path(name).suffix
    candidates = (f"{stem}-{number}{suffix}" for number in range(2, len(taken) + 3))
    return next(name for name in (name, *candidates) if name not in taken)


def _refuse_foreign(folder: Path, manifest: Manifest, files: Sequence[str]) -> None:
    for file in (PAGE, *files):
        path = folder / file
        ours = _is_page(path) if file == PAGE else manifest.owns(file)
        if not ours and os.path.lexists(path):
            raise OutputError(
                f"{path}: is there and was not made by variants; move it away, or choose another "
                "folder"
            )


def _is_page(path: Path) -> bool:
    """Whether a file says of itself that it is a page of ours."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return _GENERATOR in stream.read(1000)
