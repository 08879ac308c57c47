"""The manifest of a corpus: one line of JSON a piece, in one file a split.

Paths are relative to the corpus folder, so that it can be moved.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from soundstage.documents import read_json
from soundstage.errors import Error
from soundstage.files import replacing
from soundstage.training.corpus.plan import Split

SPLITS: tuple[Split, ...] = ("train", "heldout")


class ManifestError(Error):
    """A folder holds no corpus, or its manifest is damaged."""


@dataclass(frozen=True)
class Piece:
    """One rendered piece.

    Attributes:
        path: the audio file.
        seed: the seed of the piece; unique in a corpus.
        split: "train" or "heldout".
        genre: a name of `genres.GENRES`.
        tempo_bpm: beats a minute.
        tonic: a name of `theory.TONICS`.
        mode: a name of `theory.MODES`.
        density: 0 sparse to 1 busy.
        brightness: 0 dark to 1 bright.
        instruments: in the order of the band.
        texts: descriptions to train with.
        heldout_texts: descriptions in wordings that no training text uses.
        duration_s: seconds of audio.
        beats_per_bar: 3 or 4; the piece starts with a bar.
    """

    path: Path
    seed: int
    split: str
    genre: str
    tempo_bpm: int
    tonic: str
    mode: str
    density: float
    brightness: float
    instruments: tuple[str, ...]
    texts: tuple[str, ...]
    heldout_texts: tuple[str, ...]
    duration_s: float
    beats_per_bar: int


@dataclass(frozen=True)
class PieceEntry:
    """A piece, and the digest of everything that determines its sound."""

    piece: Piece
    recipe: str


def manifest_path(folder: Path, split: str) -> Path:
    """Returns the path of a split's manifest."""
    return folder / f"manifest-{split}.jsonl"


def write_manifest(folder: Path, split: str, entries: Iterable[PieceEntry]) -> None:
    """Replaces the manifest of a split, ordered by seed.

    Raises:
        OutputError: the folder cannot be written.
    """
    lines = []
    for entry in sorted(entries, key=lambda entry: entry.piece.seed):
        record = asdict(entry.piece)
        record["path"] = entry.piece.path.relative_to(folder).as_posix()
        record["recipe"] = entry.recipe
        lines.append(json.dumps(record, ensure_ascii=False) + "\n")
    with replacing(manifest_path(folder, split)) as file:
        file.write("".join(lines).encode())


def read_entries(folder: Path, split: str) -> tuple[PieceEntry, ...]:
    """Reads the manifest of a split; empty if there is none.

    Raises:
        ManifestError: the manifest is damaged.
        OSError: the manifest cannot be read.
    """
    path = manifest_path(folder, split)
    if not path.exists():
        return ()
    return tuple(
        _entry(folder, line, f"{path}, line {number}")
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
    )


def _entry(folder: Path, line: str, where: str) -> PieceEntry:
    try:
        record = read_json(line)
        recipe = record.pop("recipe")
        record["path"] = folder / record["path"]
        for name in ("instruments", "texts", "heldout_texts"):
            record[name] = tuple(record[name])
        values = {field.name: record[field.name] for field in fields(Piece)}
    except (ValueError, KeyError, TypeError) as error:
        raise ManifestError(
            f"{where}: is not a piece of a corpus of this version ({error})"
        ) from error
    return PieceEntry(Piece(**values), recipe)


def read_manifest(folder: Path) -> tuple[Piece, ...]:
    """Reads the pieces of a corpus, training pieces first, each split ordered by seed.

    Raises:
        ManifestError: the folder holds no manifest, or a damaged one.
        OSError: a manifest cannot be read.
    """
    folder = Path(folder)
    pieces = [entry.piece for split in SPLITS for entry in read_entries(folder, split)]
    if not pieces:
        raise ManifestError(
            f"{folder}: holds no corpus; "
            f"`python -m soundstage.training.corpus --output {folder}` makes one"
        )
    return tuple(pieces)
