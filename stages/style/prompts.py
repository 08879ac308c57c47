"""The prompts of a stream: checked, embedded one by one, and blended into one embedding."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from soundstage.graph.port import Port, Tensor
from soundstage.stages.ports import (
    CLIP_WEIGHTS,
    PROMPT_CLIPS,
    PROMPT_STYLES,
    PROMPT_TEXTS,
    STYLE_WEIGHTS,
    TEXT_WEIGHTS,
)

# The inputs of every stage that embeds prompts.
PROMPT_INPUTS: dict[str, Port] = {
    "texts": PROMPT_TEXTS,
    "text_weights": TEXT_WEIGHTS,
    "clips": PROMPT_CLIPS,
    "clip_weights": CLIP_WEIGHTS,
    "styles": PROMPT_STYLES,
    "style_weights": STYLE_WEIGHTS,
}
NO_NUMBERS = np.zeros(0, np.float32)
LONGEST_TEXT_CHARACTERS = 10_000


def blend(embeddings: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Returns the weighted mean of the prompts' embeddings, without normalising it.

    Args:
        embeddings: float32 [prompt, style_dim].
        weights: float [prompt], >= 0, not all zero; only their ratios matter.

    Returns:
        float32 [style_dim]. Source: "several prompts" in the MusicCoCa spec.
    """
    shares = weights.astype(np.float64) / weights.sum(dtype=np.float64)  # [prompt]
    return (shares[:, None] * embeddings).sum(axis=0).astype(np.float32)


class PromptEmbedder(ABC):
    """The common base of the `Embed` stages: a subclass embeds one text or clip, this class blends.

    Prompts are embedded one by one, so the embedding of a prompt depends on that prompt alone.
    """

    @abstractmethod
    def embed_text(self, text: str) -> np.ndarray:
        """Embeds one text as float32 [style_dim]."""

    @abstractmethod
    def embed_clip(self, clip: np.ndarray) -> np.ndarray:
        """Embeds one clip, float32 [clip_sample], as float32 [style_dim]."""

    def __call__(
        self,
        texts: Sequence[Sequence[str]],
        text_weights: Sequence[np.ndarray],
        clips: Sequence[np.ndarray],
        clip_weights: Sequence[np.ndarray],
        styles: Sequence[np.ndarray] | None = None,
        style_weights: Sequence[np.ndarray] | None = None,
    ) -> dict[str, Tensor]:
        """Embeds and blends the prompts of every row.

        Args:
            texts: the text prompts of each row.
            text_weights: float32 [~text] a row.
            clips: float32 [~clip, clip_sample] a row.
            clip_weights: float32 [~clip] a row.
            styles: float32 [~style, style_dim] a row, embeddings that are blended as they are;
                None = none.
            style_weights: float32 [~style] a row; None = none.

        Returns:
            embedding: float32 [row, style_dim].

        Raises:
            ValueError: a row's prompts cannot be blended (see `refusal`); names the row.
        """
        none = [NO_NUMBERS] * len(texts)
        vectors = none if styles is None else styles
        vector_weights = none if style_weights is None else style_weights
        columns = (texts, text_weights, clips, clip_weights, vectors, vector_weights)
        rows = [dict(zip(PROMPT_INPUTS, row, strict=True)) for row in zip(*columns, strict=True)]
        return {"embedding": np.stack([self._row(index, row) for index, row in enumerate(rows)])}

    def _row(self, index: int, prompts: Mapping[str, Any]) -> np.ndarray:
        reason = refusal(prompts)
        if reason:
            raise ValueError(f"row {index}: {reason}")
        embeddings = [
            *map(self.embed_text, prompts["texts"]),
            *map(self.embed_clip, prompts["clips"]),
            *prompts["styles"],
        ]
        weights = [prompts[f"{name}_weights"] for name in ("text", "clip", "style")]
        return blend(np.stack(embeddings), np.concatenate(weights))


def refusal(values: Mapping[str, Any]) -> str | None:
    """Returns the reason why one stream's prompts cannot be blended.

    Args:
        values: the stream's value of every input that is fed by a control, by name; None for one
            that is not wired.

    Returns:
        A sentence for users; None if the prompts are fine, or if another stage feeds an input,
        whose value only the call can check.
    """
    if any(name not in values for name in PROMPT_INPUTS):
        return None
    values = {name: () if value is None else value for name, value in values.items()}
    weights = {name: np.asarray(values[f"{name}_weights"]) for name in ("text", "clip", "style")}
    for name, own in weights.items():
        prompts = values[f"{name}s"]
        if len(prompts) != len(own):
            return (
                f"{len(prompts)} {name} prompts have {len(own)} weights: give each prompt one "
                "weight"
            )
    all_weights = np.concatenate(list(weights.values())).astype(np.float64)
    if len(all_weights) == 0:
        return "there is no prompt: give at least one text or audio prompt"
    if not np.all(np.isfinite(all_weights)) or np.any(all_weights < 0):
        return f"prompt weights must be numbers of 0 or more, got {all_weights.tolist()}"
    if not np.any(all_weights):
        return "all prompt weights are zero: give at least one prompt a weight above 0"
    return _unusable(values["texts"], values["clips"], values["styles"])


def _unusable(
    texts: Sequence[str], clips: Sequence[np.ndarray], styles: Sequence[np.ndarray]
) -> str | None:
    longest = max((len(text) for text in texts), default=0)
    if longest > LONGEST_TEXT_CHARACTERS:
        return (
            f"a text prompt has {longest} characters: shorten it to {LONGEST_TEXT_CHARACTERS} "
            "or fewer"
        )
    if not all(np.all(np.isfinite(clip)) for clip in clips):
        return "an audio prompt holds samples that are not finite numbers (NaN or infinity)"
    if not np.all(np.isfinite(np.asarray(styles))):
        return "a style vector holds numbers that are not finite (NaN or infinity)"
    return None


def unit(vector: np.ndarray) -> np.ndarray:
    """Scales a vector [style_dim], which must not be zero, to length 1."""
    return vector / np.linalg.norm(vector)
