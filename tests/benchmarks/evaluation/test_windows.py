"""Windows of pieces and their labels."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from evaluation.windows import cut, labels_of, of_kind, split_of

from soundstage.training.corpus.manifest import ManifestError, Piece

RATE_HZ = 1000


def piece(folder: Path, seconds: float, genre: str = "jazz") -> Piece:
    path = folder / f"{genre}.wav"
    ramp = np.arange(round(seconds * RATE_HZ), dtype=np.float32) / 100_000
    soundfile.write(path, np.stack([ramp, ramp], axis=1), RATE_HZ, subtype="FLOAT")
    return Piece(path, 1, "train", genre, 90, "C", "minor", 0.5, 0.25, (), (), (), seconds, 4)


def starts(windows: list[np.ndarray]) -> list[float]:
    return [round(float(window[0, 0]) * 100) for window in windows]


def test_windows_are_spread_evenly_and_do_not_overlap(tmp_path):
    whole = piece(tmp_path, 40)
    assert starts(cut(whole, 8, 5)) == [0, 8, 16, 24, 32]
    assert starts(cut(whole, 8, 2)) == [6, 26]
    assert starts(cut(whole, 8, 1)) == [16]
    assert [window.shape for window in cut(whole, 8, 9)] == [(8000, 2)] * 5


def test_piece_shorter_than_a_window_is_refused(tmp_path):
    with pytest.raises(ValueError, match="shorter than 8 s"):
        cut(piece(tmp_path, 5), 8, 1)


def test_labels_are_those_of_the_pieces(tmp_path):
    labels = labels_of([piece(tmp_path, 1), piece(tmp_path, 1, "rock")], [1, 0, 1])
    assert labels.genre.tolist() == ["rock", "jazz", "rock"]
    assert labels.piece.tolist() == [1, 0, 1]
    assert labels.tempo_bpm.tolist() == [90] * 3


def test_windows_of_a_genre_repeat_only_when_all_are_drawn():
    genres = np.array(["jazz", "rock"] * 6)
    picked = of_kind(genres, np.array(["rock"] * 6 + ["jazz"] * 2), 3)
    assert genres[picked].tolist() == ["rock"] * 6 + ["jazz"] * 2
    assert len(set(picked.tolist())) == 8
    np.testing.assert_array_equal(picked, of_kind(genres, np.array(["rock"] * 6 + ["jazz"] * 2), 3))
    assert of_kind(genres, np.array(["polka"]), 3)[0] in range(12)


def test_corpus_without_the_split_is_refused(tmp_path):
    with pytest.raises(ManifestError, match="holds no"):
        split_of(tmp_path, "heldout")
