"""How well texts and clips that belong together meet, on pieces and wordings never trained on."""

from collections import Counter

import numpy as np

from soundstage.training.style.codebooks import tokens
from soundstage.training.style.embedder import Embedded

NEIGHBOURS = 5
REPORTED_LEVELS = 6


def meeting(texts: Embedded, clips: Embedded) -> dict[str, float]:
    """How near texts lie to the clips they describe, and whether they find their kind.

    Args:
        texts: of the pieces that the clips are of.
        clips: at least `NEIGHBOURS`.

    Returns:
        Mean cosines of a text with clips of its own piece, its genre, and other genres; the length
        of the difference of the mean text and the mean clip; and the share of texts (clips) whose
        nearest clips (texts) are mostly of their genre.
    """
    cosines = texts.vectors @ clips.vectors.T  # [text, clip]
    own = texts.piece[:, None] == clips.piece
    kin = texts.genre[:, None] == clips.genre
    return {
        "cosine_own_piece": float(cosines[own].mean()),
        "cosine_same_genre": float(cosines[kin].mean()),
        "cosine_other_genre": float(cosines[~kin].mean()) if (~kin).any() else float("nan"),
        "gap": float(np.linalg.norm(texts.vectors.mean(axis=0) - clips.vectors.mean(axis=0))),
        "genre_of_clips_nearest_a_text": _found(cosines, texts.genre, clips.genre),
        "genre_of_texts_nearest_a_clip": _found(cosines.T, clips.genre, texts.genre),
    }


def named(items: Embedded, names: Embedded) -> float:
    """The share of items to which the name of their own genre is the nearest."""
    nearest = np.argmax(items.vectors @ names.vectors.T, axis=1)
    return float((names.genre[nearest] == items.genre).mean())


def agreement(first: Embedded, second: Embedded, books: np.ndarray) -> dict[str, list[float]]:
    """How often two items have equal style tokens, a level.

    Args:
        first: texts or clips.
        second: texts or clips; pairs of an item with itself are left out when it is `first`.
        books: float32 [level, code, rank].

    Returns:
        For pairs of one piece, of one genre but two pieces, and of two genres: the share of equal
        tokens at each of the first levels.
    """
    equal = (
        tokens(first.vectors, books)[:, None, :REPORTED_LEVELS]
        == tokens(second.vectors, books)[None, :, :REPORTED_LEVELS]
    )  # [first, second, level]
    own = first.piece[:, None] == second.piece
    kin = first.genre[:, None] == second.genre
    apart = ~np.eye(len(own), dtype=bool) if first is second else np.ones_like(own)
    return {
        name: [round(float(share), 4) for share in equal[pairs].mean(axis=0)]
        for name, pairs in (
            ("one_piece", own & apart),
            ("one_genre", kin & ~own),
            ("two_genres", ~kin),
        )
        if pairs.any()
    }


def _found(cosines: np.ndarray, genres: np.ndarray, others: np.ndarray) -> float:
    nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :NEIGHBOURS]
    votes = [Counter(others[row].tolist()).most_common(1)[0][0] for row in nearest]
    return float(np.mean(np.array(votes) == genres))
