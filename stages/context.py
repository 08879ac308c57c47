"""The past of a stream: as the language model reads it, and moved on by a chunk."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from soundstage.graph.format import Format
from soundstage.graph.port import Port
from soundstage.stages.depthformer.vocabulary import Vocabulary
from soundstage.stages.ports import CONTEXT, PROMPT, STYLE_TOKENS, TOKENS

if TYPE_CHECKING:
    import jax


class Pack:
    """Writes the past and the style as the ids that the language model reads.

    Inputs:
        context: int32 [row, context_frame, level]; -1 = nothing yet, which becomes MASK. The
            coarse levels are shown.
        style: int32 [row, style_level]; the first `prompt_style_levels` are shown.

    Outputs:
        prompt: int32 [row, prompt_token]; frame by frame, then the style.
        unprompted: int32 [row, prompt_token]; the same with its style masked, for guidance.

    Raises:
        ValueError: a code is outside [0, codebook_size).

    Source: "Encoder" in the Depthformer spec.
    """

    inputs: ClassVar[dict[str, Port]] = {"context": CONTEXT, "style": STYLE_TOKENS}
    outputs: ClassVar[dict[str, Port]] = {"prompt": PROMPT, "unprompted": PROMPT}
    uses_device: ClassVar[bool] = False

    def __init__(self, params: None, format: Format, device: jax.Device | None) -> None:
        self.vocabulary = Vocabulary.of(format)

    def __call__(self, context: np.ndarray, style: np.ndarray) -> dict[str, np.ndarray]:
        """Packs one tick's prompt and its unprompted twin."""
        prompt = self.vocabulary.pack(context, style)
        return {"prompt": prompt, "unprompted": self.vocabulary.unprompted(prompt)}


class PackKnown(Pack):
    """Writes the past and the style as `Pack` does, and hides frames that do not exist yet.

    For models that were trained this way: in the first chunk they see the style alone. The
    published models were trained with MASK instead and need `Pack`.

    Inputs:
        context: as in `Pack`, but -1 = nothing yet becomes PAD.
        style: as in `Pack`.

    Outputs:
        prompt: as in `Pack`.
        unprompted: as in `Pack`.

    Raises:
        ValueError: a code is outside [0, codebook_size).
    """

    def __call__(self, context: np.ndarray, style: np.ndarray) -> dict[str, np.ndarray]:
        """Packs one tick's prompt and its unprompted twin."""
        prompt = self.vocabulary.hide_nothing(self.vocabulary.pack(context, style))
        return {"prompt": prompt, "unprompted": self.vocabulary.unprompted(prompt)}


class Remember:
    """Moves the past on by one chunk: drops the oldest frames and appends the new ones.

    Inputs:
        tokens: int32 [row, frame, level]; the new chunk.
        context: int32 [row, context_frame, level]; the past before it, -1 = nothing yet.

    Outputs:
        context: int32 [row, context_frame, level]; the past that now ends with the chunk.
    """

    inputs: ClassVar[dict[str, Port]] = {"tokens": TOKENS, "context": CONTEXT}
    outputs: ClassVar[dict[str, Port]] = {"context": CONTEXT}
    uses_device: ClassVar[bool] = False

    def __init__(self, params: None, format: Format, device: jax.Device | None) -> None:
        self.frames = format.dims["frame"]

    def __call__(self, tokens: np.ndarray, context: np.ndarray) -> dict[str, np.ndarray]:
        """Appends one chunk to the past."""
        return {"context": np.concatenate([context[:, self.frames :], tokens], axis=1)}
