"""Turns prompts into style tokens: an embedder with random weights, and the style quantizer."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import numpy as np

from graph.format import Format
from graph.port import Port
from stages import rvq
from stages.ports import (
    CLIP_WEIGHTS,
    PROMPT_CLIPS,
    PROMPT_TEXTS,
    STYLE_EMBEDDING,
    STYLE_TOKENS,
    TEXT_WEIGHTS,
)
from stages.style_codebooks import load_codebooks
from stages.style_features import TEXT_FEATURES, ClipFeatures, text_features
from stages.weights import WeightsError, closing_source

LONGEST_TEXT_CHARACTERS = 10_000


def blend(embeddings: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mixes prompts: the mean of their embeddings, weighted; not normalised again.

    Args:
        embeddings: float32 [prompt, style_dim].
        weights: float [prompt], >= 0, not all zero; only their ratios matter.

    Returns:
        float32 [style_dim]. Source: "several prompts" in the MusicCoCa spec.
    """
    shares = weights.astype(np.float64) / weights.sum(dtype=np.float64)  # [prompt]
    return (shares[:, None] * embeddings).sum(axis=0).astype(np.float32)


@dataclass(frozen=True)
class EmbedParams:
    """Settings of `Embed`.

    Attributes:
        weights: "random:SEED"; this embedder has no others.
    """

    weights: str = "random:0"


class Embed:
    """Places prompts in the style space by random projection of letters and of mel statistics.

    It stands in for a trained embedder where none is at hand: equal prompts get equal
    embeddings and similar ones similar embeddings, but what a prompt means is not known to it,
    and a text lies nowhere near the audio it describes.

    Inputs:
        texts: utf8, a list a row; any text up to `LONGEST_TEXT_CHARACTERS`, the empty one too.
        text_weights: float32 [~text] a row, >= 0; one a text.
        clips: float32 [~clip, clip_sample] a row; mono, 1.0 = full scale, at `clip_rate_hz`.
        clip_weights: float32 [~clip] a row, >= 0; one a clip.

    Outputs:
        embedding: float32 [row, style_dim]; the weighted mean of the prompts' unit vectors.

    Raises:
        WeightsError: at construction, `params.weights` is not "random:SEED".
        ValueError: when called, a row's prompts cannot be blended (see `refusal`).
    """

    inputs: ClassVar[dict[str, Port]] = {
        "texts": PROMPT_TEXTS,
        "text_weights": TEXT_WEIGHTS,
        "clips": PROMPT_CLIPS,
        "clip_weights": CLIP_WEIGHTS,
    }
    outputs: ClassVar[dict[str, Port]] = {"embedding": STYLE_EMBEDDING}
    Params = EmbedParams

    def __init__(self, params: EmbedParams, format: Format, device: jax.Device) -> None:
        if not params.weights.startswith("random:"):
            raise WeightsError(
                f"weights = {params.weights!r}: this embedder has only random weights; write "
                "random:SEED, or use another embedder"
            )
        self.clip_features = ClipFeatures(format.clip_rate_hz)
        with closing_source(params.weights) as source:
            text = source.read("text/kernel", (TEXT_FEATURES, format.style_dim))
            clip = source.read("clip/kernel", (self.clip_features.size, format.style_dim))
            self.weights_note = source.note
        self.text_projection = text  # [feature, style_dim]
        self.clip_projection = clip  # [feature, style_dim]
        self.weights_digest = _digest({"clip/kernel": clip, "text/kernel": text})

    @staticmethod
    def refusal(values: Mapping[str, Any]) -> str | None:
        """Says why one stream's prompts cannot be blended.

        Args:
            values: the stream's value of every input that controls feed, by name.

        Returns:
            One sentence for people, or None when all is well or when another stage feeds an
            input, which only a call can look at.
        """
        if any(name not in values for name in Embed.inputs):
            return None
        texts, clips = values["texts"], values["clips"]
        weights = {name: np.asarray(values[f"{name}_weights"]) for name in ("text", "clip")}
        for name, prompts in (("text", texts), ("clip", clips)):
            if len(prompts) != len(weights[name]):
                return (
                    f"{len(prompts)} {name} prompts have {len(weights[name])} weights: "
                    "give each prompt one weight"
                )
        together = np.concatenate([weights["text"], weights["clip"]]).astype(np.float64)
        if len(together) == 0:
            return "there is no prompt: give at least one text or audio prompt"
        if not np.all(np.isfinite(together)) or np.any(together < 0):
            return f"prompt weights must be numbers of 0 or more, got {together.tolist()}"
        if not np.any(together):
            return "all prompt weights are zero: give at least one prompt a weight above 0"
        return _unreadable(texts, clips)

    def __call__(
        self,
        texts: Sequence[Sequence[str]],
        text_weights: Sequence[np.ndarray],
        clips: Sequence[np.ndarray],
        clip_weights: Sequence[np.ndarray],
    ) -> dict[str, np.ndarray]:
        """Embeds and blends the prompts of every row."""
        rows: list[np.ndarray] = []
        for row in zip(texts, text_weights, clips, clip_weights, strict=True):
            reason = self.refusal(dict(zip(self.inputs, row, strict=True)))
            if reason:
                raise ValueError(f"row {len(rows)}: {reason}")
            row_texts, row_text_weights, row_clips, row_clip_weights = row
            embeddings = [self._embed_text(text) for text in row_texts]
            embeddings += [self._embed_clip(clip) for clip in row_clips]
            rows.append(
                blend(np.stack(embeddings), np.concatenate([row_text_weights, row_clip_weights]))
            )
        return {"embedding": np.stack(rows)}

    def _embed_text(self, text: str) -> np.ndarray:
        features = text_features(text)
        used = np.flatnonzero(features)
        return _unit((features[used, None] * self.text_projection[used]).sum(axis=0))

    def _embed_clip(self, clip: np.ndarray) -> np.ndarray:
        return _unit((self.clip_features(clip)[:, None] * self.clip_projection).sum(axis=0))


def _unreadable(texts: Sequence[str], clips: Sequence[np.ndarray]) -> str | None:
    longest = max((len(text) for text in texts), default=0)
    if longest > LONGEST_TEXT_CHARACTERS:
        return (
            f"a text prompt has {longest} characters: shorten it to {LONGEST_TEXT_CHARACTERS} "
            "or fewer"
        )
    if not all(np.all(np.isfinite(clip)) for clip in clips):
        return "an audio prompt holds samples that are not finite numbers (NaN or infinity)"
    return None


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


def _digest(arrays: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(name.encode())
        digest.update(arrays[name].reshape(-1).data)
    return digest.hexdigest()


@dataclass(frozen=True)
class QuantizeParams:
    """Settings of `Quantize`.

    Attributes:
        weights: "random:SEED", a safetensors file or folder, or a model's name.
    """

    weights: str = "random:0"


class Quantize:
    """Writes a style embedding as tokens: level by level, the code nearest to what is left.

    Inputs:
        embedding: float32 [row, style_dim].

    Outputs:
        tokens: int32 [row, style_level], in [0, codebook_size).

    Raises:
        WeightsError: at construction, the weights cannot be used.

    Source: "Quantisation in numpy" in the MusicCoCa spec.
    """

    inputs: ClassVar[dict[str, Port]] = {"embedding": STYLE_EMBEDDING}
    outputs: ClassVar[dict[str, Port]] = {"tokens": STYLE_TOKENS}
    Params = QuantizeParams

    def __init__(self, params: QuantizeParams, format: Format, device: jax.Device) -> None:
        shape = (format.style_levels, format.codebook_size, format.style_dim)
        codebooks = load_codebooks(params.weights, shape)
        self.weights_digest = _digest({codebooks.name: codebooks.codes})
        self.weights_note = codebooks.note
        self.device = device
        self.codebooks = jax.device_put(codebooks.codes, device)  # [level, code, style_dim]
        self.encode = jax.jit(rvq.encode)

    def __call__(self, embedding: np.ndarray) -> dict[str, np.ndarray]:
        """Quantizes the embedding of every row."""
        on_device = jax.device_put(embedding, self.device)
        return {"tokens": np.asarray(self.encode(on_device, self.codebooks), np.int32)}
