"""The stage that writes MusicCoCa's embeddings as style tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from soundstage.graph.format import Format
from soundstage.graph.port import Port
from soundstage.stages.musiccoca.files import QUANTIZER, read_files
from soundstage.stages.musiccoca.litert import TfliteGraph
from soundstage.stages.ports import STYLE_EMBEDDING, STYLE_TOKENS
from soundstage.stages.rvq import check_codes
from soundstage.stages.weights.array_source import WeightsError
from soundstage.stages.weights.published.missing import lacking

if TYPE_CHECKING:
    import jax


@dataclass(frozen=True)
class QuantizeParams:
    """Settings of `Quantize`.

    Attributes:
        weights: the folder of MusicCoCa's published files, or its bare name in
            `stages.weights.models_folder`.
    """

    weights: str


class Quantize:
    """Writes a style embedding as tokens with the published quantizer.

    The stage runs the compiled graph, because the place and the form of the codebooks inside the
    graph are not documented.

    Inputs:
        embedding: float32 [row, style_dim].

    Outputs:
        tokens: int32 [row, style_level], in [0, codebook_size).

    Raises:
        WeightsError: at construction, LiteRT is not installed, the file cannot be used, or it does
            not fit the music format.
        ValueError: when called, the graph returns a token outside the music format's range.

    Source: "Embedding -> tokens" in the MusicCoCa spec.
    """

    inputs: ClassVar[dict[str, Port]] = {"embedding": STYLE_EMBEDDING}
    outputs: ClassVar[dict[str, Port]] = {"tokens": STYLE_TOKENS}
    uses_device: ClassVar[bool] = False
    Params = QuantizeParams
    lacking = staticmethod(lacking)

    def __init__(self, params: QuantizeParams, format: Format, device: jax.Device | None) -> None:
        files = read_files(params.weights, [QUANTIZER])
        self.weights_digest, self.weights_note = files.digest, files.note
        self._levels, self._codebook_size = format.style_levels, format.codebook_size
        self._graph = TfliteGraph(QUANTIZER, files.contents[QUANTIZER])
        self._graph.require([("float32", format.style_dim)])
        codes = self._graph(np.zeros(format.style_dim, np.float32))
        if codes.dtype != np.int32 or codes.size < self._levels:
            raise WeightsError(
                f"{QUANTIZER}: returns {codes.size} {codes.dtype} where style_levels = "
                f"{self._levels} needs at least as many int32; check the file and the pipeline's "
                "[format]"
            )

    def __call__(self, embedding: np.ndarray) -> dict[str, np.ndarray]:
        """Quantizes the embedding of every row."""
        tokens = np.stack([self._graph(row)[: self._levels] for row in embedding])
        check_codes(tokens, self._codebook_size)
        return {"tokens": tokens}
