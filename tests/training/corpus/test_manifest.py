"""The manifest of a corpus."""

from dataclasses import replace

import pytest

from soundstage.training.corpus.manifest import (
    ManifestError,
    Piece,
    PieceEntry,
    manifest_path,
    read_entries,
    read_manifest,
    write_manifest,
)


def entry(folder, seed, split="train"):
    piece = Piece(
        path=folder / split / f"jazz-{seed}.flac",
        seed=seed,
        split=split,
        genre="jazz",
        tempo_bpm=140,
        beats_per_bar=4,
        tonic="F#",
        mode="minor",
        density=0.125,
        brightness=0.7,
        instruments=("piano", "upright bass"),
        texts=("jazz", "Brazilian piano, “cool”"),
        heldout_texts=("jazzy swing",),
        duration_s=40.0,
    )
    return PieceEntry(piece, f"digest {seed}")


def test_manifest_is_read_back_ordered_by_split_and_seed(tmp_path):
    train = [entry(tmp_path, seed) for seed in (5, 3, 4)]
    heldout = [entry(tmp_path, 1_000_000, "heldout")]
    write_manifest(tmp_path, "train", train)
    write_manifest(tmp_path, "heldout", heldout)
    assert [piece.seed for piece in read_manifest(tmp_path)] == [3, 4, 5, 1_000_000]
    assert set(read_entries(tmp_path, "train")) == set(train)
    assert read_entries(tmp_path, "heldout") == tuple(heldout)


def test_corpus_may_be_moved(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    before = entry(old, 3)
    write_manifest(old, "train", [before])
    old.rename(new)
    assert read_manifest(new) == (replace(before.piece, path=new / "train/jazz-3.flac"),)


def test_error_of_a_folder_without_corpus_says_how_to_make_one(tmp_path):
    with pytest.raises(ManifestError, match=r"python -m soundstage\.training\.corpus --output"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("line", ["{", "[]", "{}", '{"recipe": "x", "path": 3}'])
def test_damaged_line_is_named(tmp_path, line):
    write_manifest(tmp_path, "train", [entry(tmp_path, 3)])
    with manifest_path(tmp_path, "train").open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    with pytest.raises(ManifestError, match="line 2"):
        read_manifest(tmp_path)
