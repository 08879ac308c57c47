"""Windows of the corpus's pieces: what is judged, and what it is known to be."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import soundfile

from evaluation.probe import Labels
from soundstage.training.corpus.manifest import ManifestError, Piece, read_manifest


def split_of(corpus: Path, split: str) -> tuple[Piece, ...]:
    """The pieces of a split.

    Raises:
        ManifestError: there are none.
    """
    pieces = tuple(piece for piece in read_manifest(corpus) if piece.split == split)
    if not pieces:
        raise ManifestError(f"{corpus}: holds no {split} pieces")
    return pieces


def cut(piece: Piece, seconds: float, most: int) -> list[np.ndarray]:
    """Windows of a piece, evenly spread, as many as fit without overlap and `most` at most.

    Returns:
        float32 [sample, channel] each.

    Raises:
        OSError: the file cannot be read.
        ValueError: the piece is shorter than a window.
    """
    with soundfile.SoundFile(piece.path) as file:
        samples = round(seconds * file.samplerate)
        count = min(most, file.frames // samples)
        if not count:
            raise ValueError(f"{piece.path} is shorter than {seconds:g} s")
        spare = file.frames - count * samples
        windows = []
        for number in range(count):
            file.seek(number * samples + spare * (2 * number + 1) // (2 * count))
            windows.append(file.read(samples, dtype="float32", always_2d=True))
    return windows


def labels_of(pieces: Sequence[Piece], numbers: Sequence[int]) -> Labels:
    """What is known of windows.

    Args:
        pieces: of a split.
        numbers: which of them each window is of.
    """
    chosen = [pieces[number] for number in numbers]
    return Labels(
        np.array(numbers, np.int64),
        np.array([piece.genre for piece in chosen]),
        np.array([piece.tempo_bpm for piece in chosen], np.float64),
        np.array([piece.brightness for piece in chosen], np.float64),
    )


def of_kind(genres: np.ndarray, wanted: np.ndarray, seed: int) -> np.ndarray:
    """Picks windows whose genres are those of other windows, none twice while there are others.

    Args:
        genres: str [window], to pick from.
        wanted: str [other window].
        seed: of the draw.

    Returns:
        int [other window]; a genre that is not there is replaced by any.
    """
    draw = np.random.default_rng(seed)
    heaps: dict[str, Iterator[int]] = {}
    picked = []
    for genre in wanted.tolist():
        if genre not in heaps:
            some = np.flatnonzero(genres == genre)
            heaps[genre] = _dealt(some if len(some) else np.arange(len(genres)), draw)
        picked.append(next(heaps[genre]))
    return np.array(picked, np.int64)


def _dealt(numbers: np.ndarray, draw: np.random.Generator) -> Iterator[int]:
    while True:
        yield from draw.permutation(numbers).tolist()
