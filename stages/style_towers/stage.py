"""The stage that embeds prompts with the style towers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import ClassVar

import jax
import numpy as np

from soundstage.graph.format import Format
from soundstage.graph.port import Port, Tensor
from soundstage.kernels.programs import Program
from soundstage.stages.ports import ASKED_SOUND, ASKED_TEMPO, NOT_UNDERSTOOD, STYLE_EMBEDDING
from soundstage.stages.style.features import ClipFeatures
from soundstage.stages.style.prompts import (
    NO_NUMBERS,
    PROMPT_INPUTS,
    PromptEmbedder,
    refusal,
    unit,
)
from soundstage.stages.style_towers.asked import (
    asked_sound,
    asked_tempo,
    heard_weights,
    not_understood,
)
from soundstage.stages.style_towers.loading import load_towers
from soundstage.stages.style_towers.text import text_ids
from soundstage.stages.weights.published.missing import lacking
from soundstage.stages.words import describe, understand
from soundstage.stages.words.lexicon import load_lexicon


@dataclass(frozen=True)
class EmbedParams:
    """Settings of `Embed`.

    Attributes:
        weights: a .safetensors file that `python -m soundstage.training.style export` wrote,
            a model's name, or "random:SEED" (tiny, for tests).
    """

    weights: str


class Embed(PromptEmbedder):
    """Embeds prompts with two small trained networks, one for texts and one for audio.

    A text is read with the lexicon of `stages.words` and embedded through descriptions of what it
    says, one a genre. A text that says nothing about music gets the mean embedding of all genres,
    and does not count beside prompts that say something.

    Inputs:
        texts: utf8, a list a row; any text of up to `LONGEST_TEXT_CHARACTERS`, which may be empty.
            Letter case makes no difference.
        text_weights: float32 [~text] a row, >= 0; one a text.
        clips: float32 [~clip, clip_sample] a row; mono, 1.0 = full scale, at `clip_rate_hz`.
        clip_weights: float32 [~clip] a row, >= 0; one a clip.
        styles: float32 [~style, style_dim] a row; embeddings, such as this stage's, which are
            blended as they are. May be left unwired.
        style_weights: float32 [~style] a row, >= 0; one a style.

    Outputs:
        embedding: float32 [row, style_dim]; the weighted mean of the prompts' unit vectors.
        tempo: float32 [row, 3]; the asked, the lowest and the highest tempo in beats a minute, of
            the heaviest text that says something about tempo; -1 = not said.
        sound: float32 [row, 3]; density and brightness in [0, 1], weighted means over the texts
            that say so, and drums, 0 or 1, of the heaviest text that says so; -1 = not said.
        not_understood: utf8, a list a row; for each text, its words that mean nothing here, with
            commas between, "" = none.

    Clips and style vectors say nothing about tempo and sound.

    Raises:
        WeightsError: at construction, the weights cannot be used.
        ValueError: when called, a row's prompts cannot be blended (see `refusal`).
    """

    inputs: ClassVar[dict[str, Port]] = PROMPT_INPUTS
    outputs: ClassVar[dict[str, Port]] = {
        "embedding": STYLE_EMBEDDING,
        "tempo": ASKED_TEMPO,
        "sound": ASKED_SOUND,
        "not_understood": NOT_UNDERSTOOD,
    }
    Params = EmbedParams
    lacking = staticmethod(lacking)
    refusal = staticmethod(refusal)

    def __init__(self, params: EmbedParams, format: Format, device: jax.Device) -> None:
        towers = load_towers(params.weights, format.style_dim, device)
        self.weights_digest, self.weights_note = towers.digest, towers.note
        self.clip_features = ClipFeatures(format.clip_rate_hz)
        self.text_ids = partial(
            text_ids, vocabulary=towers.vocabulary, buckets=towers.config.buckets
        )
        self.basis = towers.basis  # [rank, style_dim]
        self.device = device
        self.network = towers.network
        self._run_text = Program(self._text_vector, towers.config)
        self._run_audio = Program(self._audio_vector, towers.config)

    def __call__(
        self,
        texts: Sequence[Sequence[str]],
        text_weights: Sequence[np.ndarray],
        clips: Sequence[np.ndarray],
        clip_weights: Sequence[np.ndarray],
        styles: Sequence[np.ndarray] | None = None,
        style_weights: Sequence[np.ndarray] | None = None,
    ) -> dict[str, Tensor]:
        """Embeds and blends the prompts of every row, and reads what they ask for."""
        meanings = [[understand(text) for text in row] for row in texts]
        vectors = [NO_NUMBERS] * len(texts) if style_weights is None else style_weights
        others = [np.concatenate(row) for row in zip(clip_weights, vectors, strict=True)]
        heard = [heard_weights(*row) for row in zip(meanings, text_weights, others, strict=True)]
        prompts = (texts, heard, clips, clip_weights, styles, style_weights)
        embedding = super().__call__(*prompts)["embedding"]
        rows = list(zip(meanings, text_weights, strict=True))
        return {
            "embedding": embedding,
            "tempo": np.stack([asked_tempo(*row) for row in rows]),
            "sound": np.stack([asked_sound(*row) for row in rows]),
            "not_understood": [not_understood(row) for row in meanings],
        }

    @cached_property
    def genres(self) -> dict[str, np.ndarray]:
        """The embedding of every genre's phrase, float32 [style_dim]; made at the first use."""
        genres = load_lexicon().genres.items()
        return {name: self.embed_description(genre.phrase) for name, genre in genres}

    def embed_text(self, text: str) -> np.ndarray:
        """Embeds what one text says as float32 [style_dim], at length 1."""
        meaning = understand(text)
        if meaning.genres:
            parts = [
                share * self.embed_description(describe(meaning, genre))
                for genre, share in meaning.genres.items()
            ]
            return _unit_sum(parts)
        description = describe(meaning)
        if description:
            return self.embed_description(description)
        wanted = load_lexicon().genres.keys() - meaning.unwanted
        return _unit_sum(self.genres[name] for name in sorted(wanted))

    def embed_description(self, text: str) -> np.ndarray:
        """Embeds a text as it stands, without the lexicon, as float32 [style_dim], at length 1."""
        ids = jax.device_put(tuple(self.text_ids([text])), self.device)
        return self._widen(self._run_text(self.network.arrays, *ids))

    def embed_clip(self, clip: np.ndarray) -> np.ndarray:
        """Embeds one clip, float32 [clip_sample], as float32 [style_dim], at length 1."""
        log_mel = jax.device_put(self.clip_features.log_mel(clip)[None], self.device)
        return self._widen(self._run_audio(self.network.arrays, log_mel))

    def _text_vector(
        self, arrays: Mapping[str, jax.Array], pieces: jax.Array, grams: jax.Array
    ) -> jax.Array:
        return self.network.around(arrays).text(pieces, grams)[0]

    def _audio_vector(self, arrays: Mapping[str, jax.Array], log_mel: jax.Array) -> jax.Array:
        return self.network.around(arrays).audio(log_mel)[0]

    def _widen(self, vector: jax.Array) -> np.ndarray:
        # The sum has a fixed order. The basis is rounded in its file, so the length is not quite 1.
        return unit((np.asarray(vector)[:, None] * self.basis).sum(axis=0))


def _unit_sum(vectors: Iterable[np.ndarray]) -> np.ndarray:
    return unit(np.sum(list(vectors), axis=0))
