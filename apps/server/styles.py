"""Style vectors as prompts: which texts, with which weights, make a vector."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
from scipy.optimize import nnls

from soundstage.apps.server.protocols.websocket import Refused

# Weights below this share of their sum are rounding errors.
LEAST_SHARE = 1e-3
# The largest distance of a vector from the best blend, relative to its length.
FARTHEST = 0.02
MOST_TEXTS = 256


class PromptStyles:
    """The embeddings that clients got, and the blend of them that a vector is.

    A pipeline's prompts are texts with weights, and a style is the weighted mean of the texts'
    embeddings. So a client that blends embeddings of this server can be served with texts and
    weights.
    """

    def __init__(self) -> None:
        self._embeddings: OrderedDict[str, np.ndarray] = OrderedDict()

    def remember(self, text: str, embedding: np.ndarray) -> None:
        """Keeps a text's embedding, float32 [style_dim]; drops the oldest above `MOST_TEXTS`."""
        self._embeddings[text] = embedding.astype(np.float64)
        self._embeddings.move_to_end(text)
        while len(self._embeddings) > MOST_TEXTS:
            self._embeddings.popitem(last=False)

    def prompts_of(self, style: object, width: int) -> dict[str, Any]:
        """Returns the prompts whose blend a vector is, as controls.

        Args:
            style: a list of `width` numbers.
            width: the size of an embedding.

        Raises:
            Refused: `style` is not such a list, or not a blend of this server's embeddings.
        """
        vector = _vector(style, width)
        if not self._embeddings:
            raise Refused(
                "style: this server has embedded no text yet; POST one to /style first", "style"
            )
        names = list(self._embeddings)
        shares, distance = nnls(np.stack(list(self._embeddings.values()), axis=1), vector)
        if distance > FARTHEST * max(float(np.linalg.norm(vector)), 1e-6):
            raise Refused(
                "style: expected a blend of vectors from POST /style, for this server's pipeline "
                "is steered by texts",
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
    wrong = Refused(f"style: expected a list of {width} numbers", "style")
    if not isinstance(style, list) or len(style) != width:
        raise wrong
    try:
        vector = np.array(style, np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise wrong from error
    if vector.shape != (width,) or not np.isfinite(vector).all() or not vector.any():
        raise wrong
    return vector
