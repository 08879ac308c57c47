"""What a trained style model is worth, in numbers."""

from typing import Any

import numpy as np

from soundstage.training.corpus.words import GENRE_WORDS
from soundstage.training.style.codebooks import tokens
from soundstage.training.style.embedder import Embedded, Embedder
from soundstage.training.style.evaluation import agreement, meeting, named
from soundstage.training.style.run_folder import Prepared, SplitSounds

# A clip of the audio every so many clips' lengths.
HOP_SHARE = 0.5


def report(prepared: Prepared, embedder: Embedder, books: np.ndarray) -> dict[str, Any]:
    """Judges a model by held-out pieces with held-out wordings, if the corpus has any.

    Args:
        prepared: the pieces.
        embedder: the trained model.
        books: float32 [level, code, rank].

    Returns:
        For "heldout" and for "train" (whose wordings are held out too): see `evaluation`.
    """
    parts = {"heldout": prepared.heldout, "train": prepared.train}
    return {name: _of_part(part, embedder, books) for name, part in parts.items() if part.pieces}


def _of_part(part: SplitSounds, embedder: Embedder, books: np.ndarray) -> dict[str, Any]:
    clips = embedder.clips(part, HOP_SHARE)
    texts = embedder.texts(
        part,
        [(n, text) for n, piece in enumerate(part.pieces) for text in piece.heldout_texts],
    )
    names = _genre_names(part, embedder)
    return {
        "pieces": len(part.pieces),
        "clips": len(clips.piece),
        "texts": len(texts.piece),
        **meeting(texts, clips),
        "genre_of_clips_by_name": named(clips, names),
        "genre_of_texts_by_name": named(texts, names),
        "equal_tokens_text_and_clip": agreement(texts, clips, books),
        "equal_tokens_clip_and_clip": agreement(clips, clips, books),
        "length_left_by_level": {
            "texts": _left(texts, books),
            "clips": _left(clips, books),
        },
    }


def _genre_names(part: SplitSounds, embedder: Embedder) -> Embedded:
    """The first training phrase of every genre that the part has."""
    first = {piece.genre: number for number, piece in reversed(list(enumerate(part.pieces)))}
    return embedder.texts(part, [(n, GENRE_WORDS[genre].train[0]) for genre, n in first.items()])


def _left(items: Embedded, books: np.ndarray) -> list[float]:
    """Mean length of what is left of a unit vector behind each level."""
    found, residual, lengths = tokens(items.vectors, books), items.vectors, []
    for level, centres in enumerate(books):
        residual = residual - centres[found[:, level]]
        lengths.append(round(float(np.linalg.norm(residual, axis=1).mean()), 4))
    return lengths
