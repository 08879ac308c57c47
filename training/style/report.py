"""The evaluation report of a trained style model."""

from typing import Any

import numpy as np

from soundstage.training.corpus.words import GENRE_WORDS
from soundstage.training.residual_codebooks import encode
from soundstage.training.style.contrasts import contrast, facts_with_opposite
from soundstage.training.style.embedder import Embedded, Embedder
from soundstage.training.style.evaluation import agreement, named_right, proximity, truths
from soundstage.training.style.run_folder import Prepared, SplitSounds

# Distance between the starts of two clips, as a share of a clip.
HOP_SHARE = 0.5
# Pairs of contradicting texts for each fact of a piece.
CONTRASTS = 3


def make_report(prepared: Prepared, embedder: Embedder, books: np.ndarray) -> dict[str, Any]:
    """Evaluates a model on the pieces of each split, with held-out wordings.

    Args:
        prepared: the pieces.
        embedder: the trained model.
        books: float32 [level, code, rank].

    Returns:
        The measures of `evaluation` for "heldout", if the corpus has such pieces, and "train".
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
        **proximity(texts, clips),
        "genre_of_clips_by_name": named_right(clips, names),
        "genre_of_texts_by_name": named_right(texts, names),
        "true_text_nearer_than_false": _truths(part, clips, embedder),
        "equal_tokens_text_and_clip": agreement(texts, clips, books),
        "equal_tokens_clip_and_clip": agreement(clips, clips, books),
        "length_left_by_level": {
            "texts": _residual_lengths(texts, books),
            "clips": _residual_lengths(clips, books),
        },
    }


def _truths(part: SplitSounds, clips: Embedded, embedder: Embedder) -> dict[str, Any]:
    """Compares every clip with texts that contradict its piece, one fact at a time."""
    random = np.random.default_rng(0)
    pairs = [
        (number, contrast(random, piece, fact))
        for number, piece in enumerate(part.pieces)
        for fact in facts_with_opposite(piece)
        for _ in range(CONTRASTS)
    ]
    true = embedder.texts(part, [(number, pair.true) for number, pair in pairs])
    false = embedder.texts(part, [(number, pair.false) for number, pair in pairs])
    return truths(clips, true, false, np.array([pair.fact for _, pair in pairs]))


def _genre_names(part: SplitSounds, embedder: Embedder) -> Embedded:
    """Embeds the first training phrase of every genre of a part."""
    first = {piece.genre: number for number, piece in reversed(list(enumerate(part.pieces)))}
    return embedder.texts(part, [(n, GENRE_WORDS[genre].train[0]) for genre, n in first.items()])


def _residual_lengths(items: Embedded, books: np.ndarray) -> list[float]:
    """Returns the mean length of the residuals behind each level."""
    codes, residual, lengths = encode(items.vectors, books)[0], items.vectors, []
    for level, book in enumerate(books):
        residual = residual - book[codes[:, level]]
        lengths.append(round(float(np.linalg.norm(residual, axis=1).mean()), 4))
    return lengths
