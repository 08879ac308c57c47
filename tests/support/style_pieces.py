"""Pieces of a corpus without audio, for tests of texts about them."""

from pathlib import Path

from soundstage.training.corpus.manifest import Piece


def piece(genre: str, **changes) -> Piece:
    values = {
        "path": Path("none.flac"),
        "seed": 0,
        "split": "train",
        "genre": genre,
        "tempo_bpm": 100,
        "beats_per_bar": 4,
        "tonic": "C",
        "mode": "major",
        "density": 0.5,
        "brightness": 0.5,
        "instruments": ("drums", "synth bass"),
        "texts": (f"happy {genre}", f"{genre} with drums"),
        "heldout_texts": ("something",),
        "duration_s": 40.0,
    }
    return Piece(**(values | changes))
