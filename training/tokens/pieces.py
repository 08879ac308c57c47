"""The audio files to encode, with their descriptions, from a corpus or any folder."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from soundstage.audio.clips import read_audio
from soundstage.errors import InputError
from soundstage.training.corpus.manifest import read_manifest
from soundstage.training.corpus.music_facts import MusicFacts, facts_path
from soundstage.training.corpus.plan import Split

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif", ".au", ".caf", ".opus")
LONGEST_S = 3600.0


class NoAudio(InputError):
    """A folder holds no audio file."""


class MusicSource(Protocol):
    """A piece of music to encode."""

    @property
    def name(self) -> str:
        """Unique among the pieces."""
        ...

    @property
    def split(self) -> Split:
        """Whether it is for training or held out."""
        ...

    @property
    def texts(self) -> tuple[str, ...]:
        """Descriptions; may be empty."""
        ...

    @property
    def music(self) -> MusicFacts:
        """The facts of its score."""
        ...

    def digest(self) -> str:
        """Returns a SHA-256, as hex digits, of everything that determines the piece."""
        ...

    def audio(self, rate_hz: int, channels: int) -> np.ndarray:
        """Returns its samples, float32 [sample, channel]; called by several threads at a time."""
        ...


@dataclass(frozen=True)
class SourcePiece:
    """A piece of music in an audio file.

    Attributes:
        name: unique among the pieces.
        path: its audio file.
        split: "train" for training, "heldout" for validation.
        texts: descriptions; may be empty.
        music: the facts of its score; by default unknown.
    """

    name: str
    path: Path
    split: Split
    texts: tuple[str, ...]
    music: MusicFacts = field(default_factory=MusicFacts.unknown, compare=False)

    def digest(self) -> str:
        """Returns the SHA-256, as hex digits, of the audio file and of all other attributes.

        Raises:
            OSError: the file cannot be read.
        """
        with self.path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256")
        for text in (self.split, self.name, *self.texts):
            digest.update(f"{len(text)}:{text}".encode())
        digest.update(self.music.digest_bytes())
        return digest.hexdigest()

    def audio(self, rate_hz: int, channels: int) -> np.ndarray:
        """Reads the file, float32 [sample, channel].

        Raises:
            InputError: the file cannot be decoded.
            OSError: the file cannot be read.
        """
        return read_audio(self.path, rate_hz, channels, LONGEST_S)


def corpus_pieces(folder: Path) -> list[SourcePiece]:
    """Lists the pieces of a corpus with their training texts.

    Raises:
        ManifestError: the folder holds no corpus.
        FactsError: the facts of a piece are missing or damaged.
        OSError: its manifest cannot be read.
    """
    return [
        SourcePiece(
            piece.path.relative_to(folder).as_posix(),
            piece.path,
            "heldout" if piece.split == "heldout" else "train",
            piece.texts,
            MusicFacts.read(facts_path(piece.path)),
        )
        for piece in read_manifest(folder)
    ]


def folder_pieces(folder: Path, heldout_share: float) -> list[SourcePiece]:
    """Lists the audio files below a folder, and holds some of them out.

    `song.txt` beside `song.wav` holds descriptions of it, one a line. The file names alone
    decide which files are held out; a single file is not.

    Args:
        folder: searched with all its subfolders.
        heldout_share: share of the files to hold out, in [0, 1); at least one of several.

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
            f"{folder}: holds no audio file; give a folder of {', '.join(AUDIO_SUFFIXES)} files"
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
    text_path = path.with_suffix(".txt")
    if not text_path.is_file():
        return ()
    lines = text_path.read_text("utf-8", errors="replace").splitlines()
    return tuple(line.strip() for line in lines if line.strip())
