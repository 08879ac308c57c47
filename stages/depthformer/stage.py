"""The stage that samples the tokens of the next chunk with the Depthformer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

import numpy as np

from soundstage.graph.format import Format
from soundstage.graph.port import Port
from soundstage.stages.depthformer.config import Size, config_of_size
from soundstage.stages.depthformer.loading import load_depthformer
from soundstage.stages.depthformer.sampler import ChunkSampler
from soundstage.stages.ports import SAMPLE_INPUTS, TOKENS
from soundstage.stages.row_groups import RowGroups, cores
from soundstage.stages.settings_checks import check_weights_setting
from soundstage.stages.weights.published.missing import lacking
from soundstage.stages.weights.sources import closing_source

if TYPE_CHECKING:
    import jax

ActivationType = Literal["auto", "float32", "bfloat16"]


@dataclass(frozen=True)
class SampleParams:
    """Settings of `Sample`.

    Attributes:
        weights: `random:SEED`, a path, or the name of a model; see
            `stages.weights.sources.open_source`.
        size: "tiny" (for tests), "demo", "base" or "large".
        dtype: type of the activations; "auto" is bfloat16 on accelerators, float32 elsewhere.

    Raises:
        ValueError: a value is not one of these.
    """

    weights: str
    size: Size = "base"
    dtype: ActivationType = "auto"

    def __post_init__(self) -> None:
        config_of_size(self.size)
        if self.dtype not in get_args(ActivationType):
            raise ValueError(
                f"dtype must be one of {', '.join(get_args(ActivationType))}, got {self.dtype!r}"
            )
        check_weights_setting(self.weights)


class Sample:
    """Samples the codec tokens of the next chunk with the Depthformer, guided by the style.

    Inputs:
        prompt: int32 [row, prompt_token]; the past and the style, as `Vocabulary.pack` returns it.
        unprompted: int32 [row, prompt_token]; the same past without the style.
        temperature: float32 [row], >= 0; 0 = greedy.
        top_k: int32 [row], >= 0; 0 = no cut.
        guidance: float32 [row], >= 0; 0 = off.
        seed: int64 [row], >= 0.
        chunk: int64 [row], >= 0; index of the chunk. All randomness follows from seed and chunk.

    Outputs:
        tokens: int32 [row, frame, level], in [0, codebook_size).

    Raises:
        WeightsError: the weights cannot be used.
    """

    inputs: ClassVar[dict[str, Port]] = SAMPLE_INPUTS
    outputs: ClassVar[dict[str, Port]] = {"tokens": TOKENS}
    Params: ClassVar[type] = SampleParams
    lacking = staticmethod(lacking)

    def __init__(self, params: SampleParams, format: Format, device: jax.Device) -> None:
        config = config_of_size(params.size).fitted(format)
        auto = "float32" if device.platform == "cpu" else "bfloat16"
        config = replace(config, activation_dtype=auto if params.dtype == "auto" else params.dtype)
        with closing_source(params.weights) as source:
            model, self.weights_digest, self.weights_note = load_depthformer(config, source, device)
        self._sampler = ChunkSampler(model, format.dims["frame"])
        # An accelerator computes all rows in hardly more time than one.
        self._groups = RowGroups(cores() if device.platform == "cpu" else 1)

    def __call__(
        self,
        prompt: np.ndarray,
        unprompted: np.ndarray,
        temperature: np.ndarray,
        top_k: np.ndarray,
        guidance: np.ndarray,
        seed: np.ndarray,
        chunk: np.ndarray,
    ) -> dict[str, np.ndarray]:
        """Samples one chunk of every row; compiles at the first call for a number of rows."""
        arguments = {
            "prompt": prompt,
            "unprompted": unprompted,
            "temperature": temperature,
            "top_k": top_k,
            "guidance": guidance,
            "seed": seed,
            "chunk": chunk,
        }
        return {"tokens": self._groups(self._sampler, arguments)}
