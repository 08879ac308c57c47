"""The stage that embeds prompts with MusicCoCa."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from soundstage.graph.format import Format
from soundstage.graph.port import Port
from soundstage.stages.musiccoca.encoders import AudioEncoder, Mapper, TextEncoder
from soundstage.stages.musiccoca.files import (
    AUDIO_PREPROCESSOR,
    MAPPER,
    MUSIC_ENCODER,
    TEXT_ENCODER,
    VOCABULARY,
    read_files,
)
from soundstage.stages.musiccoca.litert import TfliteGraph
from soundstage.stages.musiccoca.memory import EmbeddingCache
from soundstage.stages.musiccoca.text import load_vocabulary
from soundstage.stages.ports import STYLE_EMBEDDING
from soundstage.stages.style.prompts import PROMPT_INPUTS, PromptEmbedder, refusal
from soundstage.stages.weights.array_source import WeightsError
from soundstage.stages.weights.published.missing import lacking

if TYPE_CHECKING:
    import jax

RATE_HZ = 16_000
MOST_SEEDS = 2**32
# Capacity of the cache, in prompts; the longest audio prompt has 60 clips.
CACHED_PROMPTS = 256


@dataclass(frozen=True)
class EmbedParams:
    """Settings of `Embed`.

    Attributes:
        weights: the folder of MusicCoCa's published files, or its bare name in
            `stages.weights.models_folder`.
        mapper: whether embeddings of texts are mapped into the region of audio embeddings; needs
            `mapper.tflite`.
        mapper_seed: seed of the noise that the mapper reads, in [0, 2^32).

    Raises:
        ValueError: the seed is out of range.
    """

    weights: str
    mapper: bool = False
    mapper_seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.mapper_seed < MOST_SEEDS:
            raise ValueError(f"mapper_seed must be in [0, 2^32), got {self.mapper_seed}")


class Embed(PromptEmbedder):
    """Embeds prompts with MusicCoCa, the published style model.

    The embedding of an audio prompt is the mean over its clips, which share its weight.

    Inputs:
        texts: utf8, a list a row; any text of up to `LONGEST_TEXT_CHARACTERS`, which may be empty.
            Letter case makes no difference.
        text_weights: float32 [~text] a row, >= 0; one a text.
        clips: float32 [~clip, clip_sample] a row; mono, 1.0 = full scale, 10 s at 16 kHz.
        clip_weights: float32 [~clip] a row, >= 0; one a clip.
        styles: float32 [~style, style_dim] a row; embeddings, such as this stage's, which are
            blended as they are. May be left unwired.
        style_weights: float32 [~style] a row, >= 0; one a style.

    Outputs:
        embedding: float32 [row, style_dim]; the weighted mean of the prompts' embeddings, which
            are of any length.

    Raises:
        WeightsError: at construction, LiteRT is not installed, the files cannot be used, or they
            do not fit the music format; when called, a file turns out to be damaged.
        ValueError: when called, a row's prompts cannot be blended (see `refusal`).

    Source: the MusicCoCa spec.
    """

    inputs: ClassVar[dict[str, Port]] = PROMPT_INPUTS
    outputs: ClassVar[dict[str, Port]] = {"embedding": STYLE_EMBEDDING}
    uses_device: ClassVar[bool] = False
    Params = EmbedParams
    lacking = staticmethod(lacking)
    refusal = staticmethod(refusal)

    def __init__(self, params: EmbedParams, format: Format, device: jax.Device | None) -> None:
        if format.clip_rate_hz != RATE_HZ:
            raise WeightsError(
                f"clip_rate_hz is {format.clip_rate_hz}, but MusicCoCa needs {RATE_HZ} Hz: set "
                f"clip_rate_hz = {RATE_HZ} in the pipeline's [format]"
            )
        names = [VOCABULARY, TEXT_ENCODER, AUDIO_PREPROCESSOR, MUSIC_ENCODER]
        files = read_files(params.weights, [*names, MAPPER] if params.mapper else names)
        self.weights_digest, self.weights_note = files.digest, files.note

        def graph(name: str) -> TfliteGraph:
            return TfliteGraph(name, files.contents[name])

        width = format.style_dim
        vocabulary = load_vocabulary(VOCABULARY, files.contents[VOCABULARY])
        self._text = TextEncoder(graph(TEXT_ENCODER), vocabulary, width)
        self._audio = AudioEncoder(
            graph(AUDIO_PREPROCESSOR), graph(MUSIC_ENCODER), format.dims["clip_sample"], width
        )
        self._map = Mapper(graph(MAPPER), params.mapper_seed, width) if params.mapper else None
        self._cache = EmbeddingCache(CACHED_PROMPTS)

    def embed_text(self, text: str) -> np.ndarray:
        """Embeds one text as float32 [style_dim], of any length."""
        digest = hashlib.sha256(text.encode("utf-8", "replace")).digest()
        return self._cache.get(b"text" + digest, partial(self._mapped_text, text))

    def _mapped_text(self, text: str) -> np.ndarray:
        embedding = self._text(text)
        return embedding if self._map is None else self._map(embedding)

    def embed_clip(self, clip: np.ndarray) -> np.ndarray:
        """Embeds one clip, float32 [clip_sample], as float32 [style_dim], of any length."""
        digest = hashlib.sha256(clip.tobytes()).digest()
        return self._cache.get(b"clip" + digest, partial(self._audio, clip))
