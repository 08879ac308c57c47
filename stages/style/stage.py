"""The stages from prompts to style tokens: a random embedder, and the style quantizer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from soundstage.graph.format import Format
from soundstage.graph.port import Port
from soundstage.stages.ports import STYLE_EMBEDDING, STYLE_TOKENS
from soundstage.stages.style.codebooks import load_codebooks
from soundstage.stages.style.features import TEXT_FEATURES, ClipFeatures, text_features
from soundstage.stages.style.nearest_codes import NearestCodes
from soundstage.stages.style.prompts import PROMPT_INPUTS, PromptEmbedder, refusal, unit
from soundstage.stages.weights.array_source import WeightsError, arrays_digest
from soundstage.stages.weights.published.missing import lacking
from soundstage.stages.weights.sources import closing_source

if TYPE_CHECKING:
    import jax


@dataclass(frozen=True)
class _Projections:
    """Random projections of a text's and of a clip's features, both read-only.

    Attributes:
        text: float32 [feature, style_dim].
        clip: float32 [feature, style_dim].
        digest: SHA-256, as hex digits, over both.
        note: the source, in words for a report.
    """

    text: np.ndarray
    clip: np.ndarray
    digest: str
    note: str


# As for the codebooks: a process mostly opens pipelines with the same.
@lru_cache(maxsize=1)
def _projections(weights: str, clip_features: int, style_dim: int) -> _Projections:
    with closing_source(weights) as source:
        text = source.read("text/kernel", (TEXT_FEATURES, style_dim))
        clip = source.read("clip/kernel", (clip_features, style_dim))
        text.flags.writeable = clip.flags.writeable = False
        digest = arrays_digest({"clip/kernel": clip, "text/kernel": text})
        return _Projections(text, clip, digest, source.note)


@dataclass(frozen=True)
class EmbedParams:
    """Settings of `Embed`.

    Attributes:
        weights: "random:SEED"; other weights are refused.
    """

    weights: str = "random:0"


class Embed(PromptEmbedder):
    """Embeds prompts by random projections of letter counts and of mel statistics.

    A stand-in where no trained embedder is available: equal prompts get equal embeddings, and
    similar prompts similar ones. It knows no meanings, and a text lies nowhere near the audio that
    it describes.

    Inputs:
        texts: utf8, a list a row; any text of up to `LONGEST_TEXT_CHARACTERS`, which may be empty.
        text_weights: float32 [~text] a row, >= 0; one a text.
        clips: float32 [~clip, clip_sample] a row; mono, 1.0 = full scale, at `clip_rate_hz`.
        clip_weights: float32 [~clip] a row, >= 0; one a clip.
        styles: float32 [~style, style_dim] a row; embeddings, such as this stage's, which are
            blended as they are. May be left unwired.
        style_weights: float32 [~style] a row, >= 0; one a style.

    Outputs:
        embedding: float32 [row, style_dim]; the weighted mean of the prompts' unit vectors.

    Raises:
        WeightsError: at construction, `params.weights` is not "random:SEED".
        ValueError: when called, a row's prompts cannot be blended (see `refusal`).
    """

    inputs: ClassVar[dict[str, Port]] = PROMPT_INPUTS
    outputs: ClassVar[dict[str, Port]] = {"embedding": STYLE_EMBEDDING}
    uses_device: ClassVar[bool] = False
    Params = EmbedParams
    lacking = staticmethod(lacking)
    refusal = staticmethod(refusal)

    def __init__(self, params: EmbedParams, format: Format, device: jax.Device | None) -> None:
        if not params.weights.startswith("random:"):
            raise WeightsError(
                f"weights = {params.weights!r}: this embedder has only random weights; write "
                "random:SEED, or use another embedder"
            )
        self.clip_features = ClipFeatures(format.clip_rate_hz)
        projections = _projections(params.weights, self.clip_features.size, format.style_dim)
        self.text_projection, self.clip_projection = projections.text, projections.clip
        self.weights_digest, self.weights_note = projections.digest, projections.note

    def embed_text(self, text: str) -> np.ndarray:
        """Embeds one text as float32 [style_dim], at length 1."""
        features = text_features(text)
        used = np.flatnonzero(features)
        return unit((features[used, None] * self.text_projection[used]).sum(axis=0))

    def embed_clip(self, clip: np.ndarray) -> np.ndarray:
        """Embeds one clip, float32 [clip_sample], as float32 [style_dim], at length 1."""
        return unit((self.clip_features(clip)[:, None] * self.clip_projection).sum(axis=0))


@dataclass(frozen=True)
class QuantizeParams:
    """Settings of `Quantize`.

    Attributes:
        weights: "random:SEED", a safetensors file or folder, or a model's name; the codebooks
            may be whole or factored, see `stages.style.codebooks.load_codebooks`.
    """

    weights: str = "random:0"


class Quantize:
    """Writes a style embedding as tokens: level by level, the code nearest to the residual.

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
    uses_device: ClassVar[bool] = False
    Params = QuantizeParams
    lacking = staticmethod(lacking)

    def __init__(self, params: QuantizeParams, format: Format, device: jax.Device | None) -> None:
        shape = (format.style_levels, format.codebook_size, format.style_dim)
        codebooks = load_codebooks(params.weights, shape)
        self.weights_digest = codebooks.digest
        self.weights_note = codebooks.note
        self.nearest_codes = NearestCodes(codebooks.codes)

    def __call__(self, embedding: np.ndarray) -> dict[str, np.ndarray]:
        """Quantizes the embedding of every row."""
        return {"tokens": self.nearest_codes(embedding)}
