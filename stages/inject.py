"""Live input: audio that the model finds in its past, mixed with its own last chunk.

`Hear` mixes, an encoder of the codec turns the mix into tokens, `Inject` replaces the last tokens
of the past by them, and `PackApart` gives guidance both pasts. Source: the audio injection demo of
Magenta RealTime; docs/audio-input.md lists the differences and their reasons.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from soundstage.graph.format import Format
from soundstage.graph.port import Port
from soundstage.stages.depthformer.vocabulary import Vocabulary
from soundstage.stages.ports import (
    AUDIO,
    CONTEXT,
    FADED_AUDIO,
    GAP,
    HEARD_FRAMES,
    INJECTED,
    OWN_GAIN,
    PROMPT,
    STYLE_TOKENS,
    TOKENS,
)

if TYPE_CHECKING:
    import jax

# Length of the fade-out of the input in front of its gap.
RAMP_SAMPLES = 100


class Hear:
    """Mixes live input with the last chunk, as if both had sounded together.

    Inputs:
        inject: float32, per row [heard_sample, channel]; the input, which ends where the last chunk
            ended. Of an input longer than a chunk, only the end is used. An empty one leaves the
            past as it is.
        inject_own: float32 [row]; gain of the last chunk in the mix.
        inject_gap_s: float32 [row]; seconds of silence at the end of the input, which keep the
            model from only repeating it.
        own: float32 [row, faded_sample, channel]; the last chunk, behind its overlap.

    Outputs:
        audio: float32 [row, sample, channel]; the mix, silent for a row without input.
        frames: int32 [row]; how many frames at the chunk's end contain input.
    """

    inputs: ClassVar[dict[str, Port]] = {
        "inject": INJECTED,
        "inject_own": OWN_GAIN,
        "inject_gap_s": GAP,
        "own": FADED_AUDIO,
    }
    outputs: ClassVar[dict[str, Port]] = {"audio": AUDIO, "frames": HEARD_FRAMES}
    uses_device: ClassVar[bool] = False

    def __init__(self, params: None, format: Format, device: jax.Device | None) -> None:
        self.format = format

    def __call__(
        self,
        inject: list[np.ndarray],
        inject_own: np.ndarray,
        inject_gap_s: np.ndarray,
        own: np.ndarray,
    ) -> dict[str, np.ndarray]:
        """Mixes one chunk of every row."""
        samples = self.format.dims["sample"]
        mixed = np.zeros((len(own), samples, own.shape[2]), np.float32)
        frames = np.zeros(len(own), np.int32)
        for row, heard in enumerate(inject):
            heard = heard[max(len(heard) - samples, 0) :]
            if not len(heard):
                continue
            mixed[row] = own[row, -samples:] * inject_own[row]
            mixed[row, samples - len(heard) :] += self._with_gap(heard, inject_gap_s[row])
            frames[row] = -(-len(heard) // self.format.frame_samples)
        return {"audio": mixed, "frames": frames}

    def _with_gap(self, heard: np.ndarray, gap_s: np.float32) -> np.ndarray:
        """Silences the end of the input and fades it out in front; [heard_sample, channel]."""
        gap = round(float(gap_s) * self.format.sample_rate_hz)
        samples_to_gap = len(heard) - gap - np.arange(len(heard), dtype=np.float32)
        return heard * np.clip(samples_to_gap / RAMP_SAMPLES, 0, 1)[:, None] if gap else heard


class HearOn(Hear):
    """`Hear` for a pipeline without a cross-fade, to be followed by `InjectLate`.

    The audio of such a pipeline is `fade_s` late: the last frames of the last chunk have not
    sounded yet.

    Inputs:
        inject: as in `Hear`.
        inject_own: as in `Hear`.
        inject_gap_s: as in `Hear`.
        own: float32 [row, sample, channel]; the audio of the last chunk.

    Outputs:
        audio: as in `Hear`.
        frames: as in `Hear`.
    """

    inputs: ClassVar[dict[str, Port]] = {**Hear.inputs, "own": AUDIO}


class Inject:
    """Replaces the last tokens of the past by those of the mix with live input.

    Inputs:
        tokens: int32 [row, frame, level]; of the mix that `Hear` returned.
        frames: int32 [row]; how many frames at the chunk's end to replace; 0 = none.
        context: int32 [row, context_frame, level]; the past, -1 = nothing yet.

    Outputs:
        context: int32 [row, context_frame, level]; the past with the mix in it.
    """

    inputs: ClassVar[dict[str, Port]] = {
        "tokens": TOKENS,
        "frames": HEARD_FRAMES,
        "context": CONTEXT,
    }
    outputs: ClassVar[dict[str, Port]] = {"context": CONTEXT}
    uses_device: ClassVar[bool] = False

    def __init__(self, params: None, format: Format, device: jax.Device | None) -> None:
        self.end = format.dims["context_frame"]
        self.start = self.end - format.dims["frame"]

    def __call__(
        self, tokens: np.ndarray, frames: np.ndarray, context: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Replaces the last frames of every row."""
        from_end = np.arange(tokens.shape[1], 0, -1)[None]  # [1, frame]
        replaced = (from_end <= frames[:, None])[..., None]  # [row, frame, 1]
        first = tokens.shape[1] - (self.end - self.start)  # a chunk may be as long as the past
        mixed = np.where(replaced[:, first:], tokens[:, first:], context[:, self.start : self.end])
        parts = [context[:, : self.start], mixed, context[:, self.end :]]
        return {"context": np.concatenate(parts, axis=1)}


class InjectLate(Inject):
    """`Inject` behind `HearOn`: the mix ends `fade_s` before the past ends.

    Inputs:
        tokens: as in `Inject`.
        frames: as in `Inject`.
        context: as in `Inject`.

    Outputs:
        context: as in `Inject`.
    """

    def __init__(self, params: None, format: Format, device: jax.Device | None) -> None:
        super().__init__(params, format, device)
        self.end -= format.fade_frames
        self.start = max(self.start - format.fade_frames, 0)


class PackApart:
    """Writes the past with live input and the style; for guidance, the past without either.

    Guidance then strengthens both the style and the live input. Without input both pasts are the
    same, and the outputs are those of `stages.context.Pack`.

    Inputs:
        context: int32 [row, context_frame, level]; the past with live input, -1 = nothing yet.
        own: int32 [row, context_frame, level]; the past without live input.
        style: int32 [row, style_level]; the first `prompt_style_levels` are shown.

    Outputs:
        prompt: int32 [row, prompt_token]; `context`, frame by frame, then the style.
        unprompted: int32 [row, prompt_token]; `own`, frame by frame, then the style masked.

    Raises:
        ValueError: a code is outside [0, codebook_size).
    """

    inputs: ClassVar[dict[str, Port]] = {"context": CONTEXT, "own": CONTEXT, "style": STYLE_TOKENS}
    outputs: ClassVar[dict[str, Port]] = {"prompt": PROMPT, "unprompted": PROMPT}
    uses_device: ClassVar[bool] = False

    def __init__(self, params: None, format: Format, device: jax.Device | None) -> None:
        self.vocabulary = Vocabulary.of(format)

    def __call__(
        self, context: np.ndarray, own: np.ndarray, style: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Packs one tick's prompt and its unprompted twin."""
        vocabulary = self.vocabulary
        apart = vocabulary.unprompted(vocabulary.pack(own, style))
        return {"prompt": vocabulary.pack(context, style), "unprompted": apart}
