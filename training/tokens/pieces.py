"""Which audio becomes tokens, and what is said about it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from soundstage.errors import InputError
from soundstage.training.corpus.manifest import read_manifest

Split = Literal["train", "heldout"]
AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif", ".au", ".caf", ".opus")


class NoAudio(InputError):
    """A folder holds nothing to learn from."""


@dataclass(frozen=True)
class SourcePiece:
    """A piece of music.

    Attributes:
        name: tells it from the others.
        path: its audio file.
        split: "train" to learn from, "heldout" to check with.
        texts: descriptions; may be empty.
    """

    name: str
    path: Path
    split: Split
    texts: tuple[str, ...]

    def digest(self) -> str:
        """SHA-256, as hex digits, over the audio file and the texts.

        Raises:
            OSError: the file cannot be read.
        """
        with self.path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256")
        for text in (self.split, self.name, *self.texts):
            digest.update(f"{len(text)}:{text}".encode())
        return digest.hexdigest()


def corpus_pieces(folder: Path) -> list[SourcePiece]:
    """The pieces of a corpus, described in the wordings that training may see.

    Raises:
        ManifestError: the folder holds no corpus.
        OSError: its list cannot be read.
    """
    return [
        SourcePiece(
            piece.path.relative_to(folder).as_posix(),
            piece.path,
            "heldout" if piece.split == "heldout" else "train",
            piece.texts,
        )
        for piece in read_manifest(folder)
    ]


def folder_pieces(folder: Path, heldout_share: float) -> list[SourcePiece]:
    """The audio files below a folder, some of them held out.

    A text file beside an audio file, of the same name but for its ending in .txt, describes it, a
    line a text. Which files are held out depends on the folder's list of names alone; with a
    single file, none is.

    Args:
        folder: looked through with all folders in it.
        heldout_share: of the files, in [0, 1).

    Raises:
        NoAudio: there is no audio file.
    """
    paths = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in AUDIO_SUFFIXES and path.is_file()
    )
    if not paths:
        raise NoAudio(
            f"{folder}: holds no audio file; it needs some that end in {', '.join(AUDIO_SUFFIXES)}"
        )
    names = [path.relative_to(folder).as_posix() for path in paths]
    heldout = _heldout(names, heldout_share)
    return [
        SourcePiece(name, path, "heldout" if name in heldout else "train", _texts_beside(path))
        for name, path in zip(names, paths, strict=True)
    ]


def _heldout(names: Sequence[str], share: float) -> set[str]:
    if len(names) < 2:
        return set()
    count = min(max(round(share * len(names)), 1), len(names) - 1)
    return set(sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())[:count])


def _texts_beside(path: Path) -> tuple[str, ...]:
    beside = path.with_suffix(".txt")
    if not beside.is_file():
        return ()
    lines = beside.read_text("utf-8", errors="replace").splitlines()
    return tuple(line.strip() for line in lines if line.strip())
