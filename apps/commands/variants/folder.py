"""A folder of variants: the finished ones, the file names of the others, and its manifest."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from soundstage.apps.commands.file_names import slug
from soundstage.apps.commands.variants.manifest import Manifest, ManifestEntry, write_manifest
from soundstage.apps.commands.variants.variants_request import CheckedVariants, Variant
from soundstage.audio.provenance import Provenance
from soundstage.audio.writer import SUBTYPES, find_subtype
from soundstage.errors import OutputError
from soundstage.files import file_sha256
from soundstage.runners.sessions.provenance import describe

PAGE = "index.html"
_GENERATOR = b'name="generator" content="soundstage '


@dataclass(frozen=True)
class VariantSlot:
    """A variant and its file in the folder.

    Attributes:
        variant: the variant.
        provenance: the file's tags.
        request_digest: hex digest of everything that determines the file's bytes.
        file: the file's name.
        entry: the manifest's entry of a finished variant; None = still to be made.
    """

    variant: Variant
    provenance: Provenance
    request_digest: str
    file: str
    entry: ManifestEntry | None


class ManifestWriter:
    """Writes a folder's manifest, again whenever files are about to appear or are finished."""

    def __init__(self, folder: Path, slots: Sequence[VariantSlot], before: Manifest) -> None:
        """Writes nothing yet.

        Args:
            folder: the folder of the files.
            slots: the variants of this run, in order.
            before: the manifest as this run found it.
        """
        self._entries = {slot.file: slot.entry for slot in slots if slot.entry is not None}
        self._folder = folder
        self._files = [slot.file for slot in slots]
        self._earlier = tuple(e for e in before.entries if e.file not in self._files)
        self._earlier_pending = tuple(
            file for file in before.pending if file not in self._files and (folder / file).exists()
        )

    @property
    def finished(self) -> tuple[ManifestEntry, ...]:
        """The finished variants of this run, in order."""
        return tuple(self._entries[file] for file in self._files if file in self._entries)

    def write(self, finished: Iterable[ManifestEntry] = ()) -> None:
        """Adds finished variants and writes the manifest.

        Also to be called before the files of a batch appear: `pending` then names them, so that a
        later run knows them as its own even if this process is killed before they are finished.

        Raises:
            OutputError: it cannot be written.
        """
        self._entries |= {entry.file: entry for entry in finished}
        pending = tuple(file for file in self._files if file not in self._entries)
        manifest = Manifest(self.finished, (*pending, *self._earlier_pending), self._earlier)
        write_manifest(self._folder, manifest)


def assign_files(
    checked: CheckedVariants,
    weights: Mapping[str, Mapping[str, str]],
    manifest: Manifest,
    version: str,
) -> list[VariantSlot]:
    """Gives every variant its file; a finished variant keeps its own.

    Raises:
        OutputError: a file of that name exists that soundstage did not make.
    """
    files = checked.request.files
    described = [_describe(checked, weights, variant, version) for variant in checked.variants]
    finished = {} if files.again else _finished(files.folder, manifest)
    # Two rows may be equal: each has a file of its own.
    kept = [finished[digest].pop() if finished.get(digest) else None for _, digest in described]
    taken = {entry.file for entry in kept if entry is not None}
    slots = []
    for index, variant in enumerate(checked.variants):
        (provenance, digest), entry = described[index], kept[index]
        if entry is None:
            file = _free_name(_name(checked, index + 1, variant, provenance), taken)
            taken.add(file)
        else:
            file, entry = entry.file, replace(entry, name=variant.name)
        slots.append(VariantSlot(variant, provenance, digest, file, entry))
    _refuse_foreign(files.folder, manifest, [slot.file for slot in slots])
    return slots


def _describe(
    checked: CheckedVariants,
    weights: Mapping[str, Mapping[str, str]],
    variant: Variant,
    version: str,
) -> tuple[Provenance, str]:
    """Returns a variant's tags, and the digest of everything that determines its file."""
    provenance = describe(
        checked.graph, weights, variant.row, variant.prompts, checked.chunks, version
    )
    digest = hashlib.sha256(provenance.to_json().encode())
    files = checked.request.files
    form = [checked.total_samples, files.suffix]
    subtype = find_subtype("--subtype", files.suffix, files.subtype)
    if subtype != SUBTYPES[files.suffix][0]:
        form.append(subtype)
    digest.update(json.dumps(form).encode())
    for name, value in variant.row.items():
        digest.update(f"\n{name} ".encode())
        array = np.ascontiguousarray(value)
        digest.update(repr(value).encode() if array.dtype.kind == "U" else array.tobytes())
    return provenance, digest.hexdigest()


def _finished(folder: Path, manifest: Manifest) -> dict[str, list[ManifestEntry]]:
    """Returns the entries whose files are unchanged, by request digest; the first one last."""
    finished: dict[str, list[ManifestEntry]] = {}
    for entry in reversed(manifest.entries):
        path = folder / entry.file
        if path.is_file() and file_sha256(path) == entry.sha256:
            finished.setdefault(entry.request, []).append(entry)
    return finished


def _name(checked: CheckedVariants, index: int, variant: Variant, provenance: Provenance) -> str:
    digits = max(2, len(str(len(checked.variants))))
    words = slug(variant.name or " ".join(str(prompt) for prompt in provenance.prompts))
    seed = f"-seed{provenance.seeds[0]}" if provenance.seeds else ""
    return f"{index:0{digits}}-{words or 'variant'}{seed}{checked.request.files.suffix}"


def _free_name(name: str, taken: Collection[str]) -> str:
    """Returns the name, or if a kept file has it, the name with a number."""
    stem, suffix = Path(name).stem, Path(name).suffix
    candidates = (f"{stem}-{number}{suffix}" for number in range(2, len(taken) + 3))
    return next(name for name in (name, *candidates) if name not in taken)


def _refuse_foreign(folder: Path, manifest: Manifest, files: Sequence[str]) -> None:
    for file in (PAGE, *files):
        path = folder / file
        ours = _is_page(path) if file == PAGE else manifest.owns(file)
        if not ours and os.path.lexists(path):
            raise OutputError(
                f"{path}: exists and was not made by `soundstage variants`; move it away, or "
                "choose another folder with --output-dir"
            )


def _is_page(path: Path) -> bool:
    """Whether a file is a page that soundstage wrote."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return _GENERATOR in stream.read(1000)
