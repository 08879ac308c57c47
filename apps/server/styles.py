"""Style vectors of the original demo's protocol as prompts."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

from soundstage.apps.server.protocols.websocket import Refused
from soundstage.graph.plan import Graph
from soundstage.runners.sessions.prompts import PROMPTS, STYLES

# Weights below this share of their sum are rounding errors.
LEAST_SHARE = 1e-3
# The largest distance of a vector from the best blend, relative to its length.
FARTHEST = 0.02
MOST_TEXTS = 256


class PromptStyles:
    """The embeddings that clients got, and the blend of them that a vector is.

    A client that blends embeddings of this server gets their texts with weights as its prompts,
    for texts say more than a vector does, such as a tempo. Any other vector is its own prompt.
    """

    def __init__(self) -> None:
        self._embeddings: OrderedDict[str, np.ndarray] = OrderedDict()

    async def remember(self, text: str, embedding: np.ndarray) -> None:
        """Keeps a text's embedding, float32 [style_dim]; drops the oldest above `MOST_TEXTS`."""
        if not self._embeddings:
            # SciPy takes 0.3 s to import: not at the start, and not in the event loop.
            await asyncio.to_thread(_solver)
        self._embeddings[text] = embedding.astype(np.float64)
        self._embeddings.move_to_end(text)
        while len(self._embeddings) > MOST_TEXTS:
            self._embeddings.popitem(last=False)

    def prompts_of(self, style: object, graph: Graph) -> dict[str, Any]:
        """Returns the prompts that a vector stands for, as controls.

        Args:
            style: a list of `style_dim` numbers.
            graph: the pipeline.

        Raises:
            Refused: `style` is not such a list, or the pipeline takes no style vectors and it is
                not a blend of this server's embeddings.
        """
        vector = _vector(style, graph.format.style_dim)
        texts = self._texts_of(vector)
        if not texts and STYLES not in graph.controls:
            raise Refused(
                "style: expected a blend of vectors from POST /style, for this server's pipeline "
                "is steered by texts",
                "style",
            )
        return {PROMPTS: texts or [vector]}

    def _texts_of(self, vector: np.ndarray) -> list[tuple[str, float]]:
        """Returns the texts, with weights, whose blend a vector is; empty = there are none."""
        if not self._embeddings:
            return []
        names = list(self._embeddings)
        shares, distance = _solver()(np.stack(list(self._embeddings.values()), axis=1), vector)
        if distance > FARTHEST * max(float(np.linalg.norm(vector)), 1e-6):
            return []
        total = shares.sum()
        return [
            (name, float(share))
            for name, share in zip(names, shares, strict=True)
            if share > LEAST_SHARE * total
        ]


def _solver() -> Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, float]]:
    from scipy.optimize import nnls

    return nnls


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
