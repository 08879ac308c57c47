"""The stage that makes the next frames."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import numpy as np

from soundstage.graph.format import Format
from soundstage.graph.port import Port
from soundstage.stages.magenta_rt2.choice import FrameSampling
from soundstage.stages.magenta_rt2.condition_embedder import ConditionEmbedder
from soundstage.stages.magenta_rt2.loading import load_magenta_rt2
from soundstage.stages.magenta_rt2.model import MagentaRt2
from soundstage.stages.magenta_rt2.numbers import MASKED
from soundstage.stages.magenta_rt2.params import FrameModelParams, fitted
from soundstage.stages.magenta_rt2.sampler import FrameSampler, Past
from soundstage.stages.ports import (
    CONDITIONS,
    CONTEXT,
    CONTROL_NUMBERS,
    FRAME_NUMBER,
    MIN_P,
    SEED,
    STYLE_TOKENS,
    TEMPERATURE,
    TOKENS,
    TOP_K,
    TOP_P,
)
from soundstage.stages.precision import form_note, packed_type, uses_packed, without_numba
from soundstage.stages.weights.published.missing import lacking
from soundstage.stages.weights.sources import closing_source

# The memo's array beside the keys and values: the embedding of the last conditioning, so that one
# that stays the same is not embedded in every tick.
LAST = "last_embedding"


def _sampler(params: FrameModelParams, model: MagentaRt2, frames: int) -> Any:
    if not uses_packed(params.dtype, params.products):
        return FrameSampler(model, frames, fused=params.products == "fused")
    try:
        from soundstage.stages.magenta_rt2.packed_frame_sampler import PackedFrameSampler
    except ModuleNotFoundError as error:
        raise without_numba(error) from error
    return PackedFrameSampler(model, frames, packed_type(params.dtype))


class Step:
    """Makes the codes of the next frames, one after another.

    The keys and values of earlier frames are the stage's memo: a function of the fed-back inputs.

    Inputs:
        style: int32 [row, style_level]; the first `prompt_style_levels` are used, the others
            masked.
        numbers: int32 [row, frame, control_number]; as `Notes` returns them.
        context: int32 [row, context_frame, level]; this stage's output for the chunk before, -1 =
            nothing yet. At least as many frames as the model's windows reach, and one.
        conditions: uint8 [row, context_frame, condition_byte]; this stage's output for the chunk
            before, 0 = unknown: nothing was asked for that frame.
        frame: int64 [row]; this stage's output for the chunk before, 0 at first.
        temperature: float32 [row], >= 0; 0 = greedy.
        top_k: int32 [row], >= 0; 0 = no cut.
        seed: int64 [row], >= 0. All randomness follows from seed, the frame's number and level.
        top_p: float32 [row], in [0, 1]; the likeliest codes whose probabilities sum to this share
            are considered, 1 = all. May be left unwired, like the next one.
        min_p: float32 [row], in [0, 1]; codes less than this times as likely as the likeliest are
            not considered, 0 = all are.

    Outputs:
        tokens: int32 [row, frame, level], in [0, codebook_size).
        context: int32 [row, context_frame, level]; the last frames, with the new ones.
        conditions: uint8 [row, context_frame, condition_byte]; the style and the numbers that they
            were made with, packed.
        frame: int64 [row]; frames made so far.

    Raises:
        ValueError: at construction, the model does not fit the format; in a call, a style token or
            a number is outside its range.
        WeightsError: the weights cannot be used.

    Source: the Magenta RealTime 2 spec, sections 3, 4 and 6.
    """

    inputs: ClassVar[dict[str, Port]] = {
        "style": STYLE_TOKENS,
        "numbers": CONTROL_NUMBERS,
        "context": CONTEXT,
        "conditions": CONDITIONS,
        "frame": FRAME_NUMBER,
        "temperature": TEMPERATURE,
        "top_k": TOP_K,
        "seed": SEED,
        "top_p": TOP_P,
        "min_p": MIN_P,
    }
    outputs: ClassVar[dict[str, Port]] = {
        "tokens": TOKENS,
        "context": CONTEXT,
        "conditions": CONDITIONS,
        "frame": FRAME_NUMBER,
    }
    memo: ClassVar[tuple[str, ...]] = ("context", "conditions", "frame")
    Params: ClassVar[type] = FrameModelParams
    lacking = staticmethod(lacking)

    def __init__(self, params: FrameModelParams, format: Format, device: jax.Device) -> None:
        config = fitted(params, format, device)
        with closing_source(params.weights) as source:
            model, self.weights_digest, note = load_magenta_rt2(config, source, device)
        self.weights_note = note + form_note(params.dtype, params.products)
        self._frames, self._device = format.dims["frame"], device
        self._shown = np.arange(format.style_levels) < format.prompt_style_levels
        self._embedder = ConditionEmbedder(model)
        self._sampler = _sampler(params, model, self._frames)

    def rebuild(
        self, context: np.ndarray, conditions: np.ndarray, frame: np.ndarray
    ) -> dict[str, jax.Array]:
        """Returns the keys and values that the frames of the past left, and `LAST`."""
        embeddings = self._embedder(conditions[:, 1:], {})
        kept = self._sampler.rebuild(Past(context, frame), embeddings)
        return {**kept, LAST: embeddings[:, -1]}

    def __call__(
        self,
        style: np.ndarray,
        numbers: np.ndarray,
        context: np.ndarray,
        conditions: np.ndarray,
        frame: np.ndarray,
        temperature: np.ndarray,
        top_k: np.ndarray,
        seed: np.ndarray,
        top_p: np.ndarray | None = None,
        min_p: np.ndarray | None = None,
        *,
        memo: Mapping[str, jax.Array],
    ) -> tuple[dict[str, np.ndarray], dict[str, jax.Array]]:
        """Makes one chunk of every row; compiles at the first call for a number of rows."""
        settings = jax.device_put((temperature, top_k, top_p, min_p), self._device)
        asked = self._packed(style, numbers)
        known = {
            before.tobytes(): embedding
            for before, embedding in zip(conditions[:, -1], memo[LAST], strict=True)
        }
        embeddings = self._embedder(asked, known)
        caches = {name: array for name, array in memo.items() if name != LAST}
        past = Past(context, frame)
        tokens, kept = self._sampler(past, embeddings, seed, FrameSampling(*settings), caches)
        outputs = {
            "tokens": tokens,
            "context": np.concatenate([context[:, self._frames :], tokens], axis=1),
            "conditions": np.concatenate([conditions[:, self._frames :], asked], axis=1),
            "frame": frame + self._frames,
        }
        return outputs, {**kept, LAST: embeddings[:, -1]}

    def _packed(self, style: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        """Packs the conditioning of each new frame: uint8 [row, frame, condition_byte]."""
        shown = np.where(self._shown, style, MASKED)[:, None]
        styles = np.broadcast_to(shown, (*numbers.shape[:2], style.shape[1]))
        return self._embedder.bytes.pack(np.concatenate([styles, numbers], axis=2))
