"""Windows of the pieces of a corpus, and their labels."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import soundfile

from evaluation.probe import Labels
from soundstage.training.corpus.manifest import ManifestError, Piece, read_manifest


def split_of(corpus: Path, split: str) -> tuple[Piece, ...]:
    """Reads the pieces of a split.

    Raises:
        ManifestError: there are none.
    """
    pieces = tuple(piece for piece in read_manifest(corpus) if piece.split == split)
    if not pieces:
        raise ManifestError(f"{corpus}: holds no {split} pieces")
    return pieces


def cut(piece: Piece, seconds: float, most: int) -> list[np.ndarray]:
    """Cuts windows of a piece, evenly spread: at most `most`, and as many as fit without overlap.

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
    """Returns the labels of windows.

    Args:
        pieces: the pieces of a split.
        numbers: the number of each window's piece.
    """
    chosen = [pieces[number] for number in numbers]
    return Labels(
        np.array(numbers, np.int64),
        np.array([piece.genre for piece in chosen]),
        np.array([piece.tempo_bpm for piece in chosen], np.float64),
        np.array([piece.brightness for piece in chosen], np.float64),
    )


def of_kind(genres: np.ndarray, targets: np.ndarray, seed: int) -> np.ndarray:
    """Draws windows of given genres, without repetition while there are others.

    Args:
        genres: str [window], to draw from.
        targets: str [drawn window], the genres to draw.
        seed: the seed of the draw.

    Returns:
        int [drawn window], the numbers of windows; of any genre if a genre has no window.
    """
    draw = np.random.default_rng(seed)
    by_genre: dict[str, Iterator[int]] = {}
    numbers = []
    for genre in targets.tolist():
        if genre not in by_genre:
            some = np.flatnonzero(genres == genre)
            by_genre[genre] = _shuffled(some if len(some) else np.arange(len(genres)), draw)
        numbers.append(next(by_genre[genre]))
    return np.array(numbers, np.int64)


def _shuffled(numbers: np.ndarray, draw: np.random.Generator) -> Iterator[int]:
    while True:
        yield from draw.permutation(numbers).tolist()
