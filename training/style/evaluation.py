"""Measures of how near texts lie to the clips they describe, for held-out pieces and wordings."""

from collections import Counter
from typing import Any

import numpy as np

from soundstage.training.residual_codebooks import encode
from soundstage.training.style.embedder import Embedded

NEIGHBOURS = 5
REPORTED_LEVELS = 6


def proximity(texts: Embedded, clips: Embedded) -> dict[str, float]:
    """Measures how near texts lie to clips, and how often their nearest clips share their genre.

    Args:
        texts: texts of the same pieces as the clips.
        clips: at least `NEIGHBOURS`.

    Returns:
        Mean cosines of a text with clips of its own piece, of its genre, and of other genres; the
        length of the difference of the mean text and the mean clip; and the share of texts (clips)
        whose nearest clips (texts) are mostly of their genre.
    """
    cosines = texts.vectors @ clips.vectors.T  # [text, clip]
    same_piece = texts.piece[:, None] == clips.piece
    same_genre = texts.genre[:, None] == clips.genre
    others = cosines[~same_genre]
    return {
        "cosine_own_piece": float(cosines[same_piece].mean()),
        "cosine_same_genre": float(cosines[same_genre].mean()),
        "cosine_other_genre": float(others.mean()) if others.size else float("nan"),
        "gap": float(np.linalg.norm(texts.vectors.mean(axis=0) - clips.vectors.mean(axis=0))),
        "genre_of_clips_nearest_a_text": _right_votes(cosines, texts.genre, clips.genre),
        "genre_of_texts_nearest_a_clip": _right_votes(cosines.T, clips.genre, texts.genre),
    }


def named_right(items: Embedded, names: Embedded) -> float:
    """Returns the share of items whose nearest genre name is that of their own genre."""
    nearest = np.argmax(items.vectors @ names.vectors.T, axis=1)
    return float((names.genre[nearest] == items.genre).mean())


def truths(clips: Embedded, true: Embedded, false: Embedded, facts: np.ndarray) -> dict[str, Any]:
    """Measures how often clips lie nearer to a true text than to one that contradicts them.

    Args:
        clips: clips of the same pieces as the texts.
        true: texts that fit their piece.
        false: for each of them, a text that contradicts the piece in one fact.
        facts: str [text], the fact.

    Returns:
        By fact, the number of texts, the share of their piece's clips that are nearer to the true
        one (0.5 by chance), and the mean difference of the cosines.
    """
    nearer = (true.vectors - false.vectors) @ clips.vectors.T  # [text, clip]
    own = true.piece[:, None] == clips.piece
    return {
        str(fact): {
            "texts": int((facts == fact).sum()),
            "right": float((nearer[own & (facts == fact)[:, None]] > 0).mean()),
            "cosine": float(nearer[own & (facts == fact)[:, None]].mean()),
        }
        for fact in np.unique(facts)
    }


def agreement(first: Embedded, second: Embedded, books: np.ndarray) -> dict[str, list[float]]:
    """Measures how often two items have equal style tokens, level by level.

    Args:
        first: texts or clips.
        second: texts or clips; if it is `first`, pairs of an item with itself do not count.
        books: float32 [level, code, rank].

    Returns:
        For pairs of one piece, of one genre but two pieces, and of two genres: the share of equal
        tokens at each of the first levels.
    """
    equal = (
        encode(first.vectors, books)[0][:, None, :REPORTED_LEVELS]
        == encode(second.vectors, books)[0][None, :, :REPORTED_LEVELS]
    )  # [first, second, level]
    same_piece = first.piece[:, None] == second.piece
    same_genre = first.genre[:, None] == second.genre
    two = ~np.eye(len(same_piece), dtype=bool) if first is second else np.ones_like(same_piece)
    return {
        name: [round(float(share), 4) for share in equal[pairs].mean(axis=0)]
        for name, pairs in (
            ("one_piece", same_piece & two),
            ("one_genre", same_genre & ~same_piece),
            ("two_genres", ~same_genre),
        )
        if pairs.any()
    }


def _right_votes(cosines: np.ndarray, genres: np.ndarray, others: np.ndarray) -> float:
    nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :NEIGHBOURS]
    votes = [Counter(others[row].tolist()).most_common(1)[0][0] for row in nearest]
    return float(np.mean(np.array(votes) == genres))
