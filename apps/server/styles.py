"""Styles as vectors: which texts make them, for a graph that is steered by texts."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
from scipy.optimize import nnls

from soundstage.apps.server.protocols.websocket import Refused

# Weights below this share of all are rounding.
LEAST_SHARE = 1e-3
# How far, in length, a vector may lie from the best blend.
FARTHEST = 0.02
MOST_TEXTS = 256


class PromptStyles:
    """Remembers the embeddings that were handed out, and finds the blend that a vector is.

    A pipeline's prompts are texts with weights, and a style is the weighted mean of the texts'
    embeddings. A client that blends embeddings itself hence says no more than one that sends
    texts and weights, provided that the embeddings were this server's.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[str, np.ndarray] = OrderedDict()

    def remember(self, text: str, embedding: np.ndarray) -> None:
        """Keeps a text's embedding, float32 [style_dim]; the oldest goes when there are many."""
        self._known[text] = embedding.astype(np.float64)
        self._known.move_to_end(text)
        while len(self._known) > MOST_TEXTS:
            self._known.popitem(last=False)

    def prompts_of(self, style: object, width: int) -> dict[str, Any]:
        """The prompts whose blend a vector is, as controls.

        Args:
            style: a list of `width` numbers.
            width: of an embedding.

        Raises:
            Refused: it is no such list, or no blend of embeddings that were handed out here.
        """
        vector = _vector(style, width)
        if not self._known:
            raise Refused("no style was asked for yet: POST a text to /style first", "style")
        names = list(self._known)
        shares, distance = nnls(np.stack(list(self._known.values()), axis=1), vector)
        if distance > FARTHEST * max(float(np.linalg.norm(vector)), 1e-6):
            raise Refused(
                "style is no blend of the vectors that POST /style gave: this server's pipeline is "
                "steered by texts",
                "style",
            )
        total = shares.sum()
        used = [
            (name, float(share))
            for name, share in zip(names, shares, strict=True)
            if share > LEAST_SHARE * total
        ]
        return {
            "texts": [name for name, _ in used],
            "text_weights": [share for _, share in used],
            "clips": [],
            "clip_weights": [],
        }


def _vector(style: object, width: int) -> np.ndarray:
    wrong = Refused(f"style is a list of {width} numbers", "style")
    if not isinstance(style, list) or len(style) != width:
        raise wrong
    try:
        vector = np.array(style, np.float64)
    except (TypeError, ValueError) as error:
        raise wrong from error
    if vector.shape != (width,) or not np.isfinite(vector).all() or not vector.any():
        raise wrong
    return vector
