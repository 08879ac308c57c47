"""Audio that is played in: the model hears it in its past, mixed with what it played itself.

`Hear` mixes, an encoder of the codec makes tokens of the mix, `Inject` puts them where the last
tokens of the past were, and `PackApart` shows the model the difference. Source: the audio injection
demo of Magenta RealTime; docs/audio-input.md says where this differs and why.
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

RAMP_SAMPLES = 100  # over which the input is faded out in front of its gap


class Hear:
    """Mixes audio that is played in with the last chunk, as if they had sounded together.

    Inputs:
        inject: float32, per row [heard_sample, channel]; ends where the last chunk ended. Of more
            than a chunk its end counts; none = nothing is heard, and the past stays as it is.
        inject_own: float32 [row]; gain of the last chunk in the mix.
        inject_gap_s: float32 [row]; so much of the input's end is silenced, which keeps the model
            from only repeating it.
        own: float32 [row, faded_sample, channel]; the last chunk, behind its overlap.

    Outputs:
        audio: float32 [row, sample, channel]; silence where nothing is heard.
        frames: int32 [row]; how many frames at the chunk's end hold what was heard.
    """

    inputs: ClassVar[dict[str, Port]] = {
        "inject": INJECTED,
        "inject_own": OWN_GAIN,
        "inject_gap_s": GAP,
        "own": FADED_AUDIO,
    }
    outputs: ClassVar[dict[str, Port]] = {"audio": AUDIO, "frames": HEARD_FRAMES}

    def __init__(self, params: None, format: Format, device: jax.Device) -> None:
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
        """The input, silent at its end, faded out in front of that. [heard_sample, channel]."""
        gap = round(float(gap_s) * self.format.sample_rate_hz)
        left = len(heard) - gap - np.arange(len(heard), dtype=np.float32)  # until the gap begins
        return heard * np.clip(left / RAMP_SAMPLES, 0, 1)[:, None] if gap else heard


class HearOn(Hear):
    """`Hear` in a pipeline without a cross-fade.

    Its audio is `fade_s` late: the last frames of the last chunk have not sounded yet. Behind it
    belongs `InjectLate`.

    Inputs:
        inject: as `Hear`, like inject_own and inject_gap_s.
        inject_own: see `inject`.
        inject_gap_s: see `inject`.
        own: float32 [row, sample, channel]; what was played last.

    Outputs:
        audio: as `Hear`, like frames.
        frames: see `audio`.
    """

    inputs: ClassVar[dict[str, Port]] = {**Hear.inputs, "own": AUDIO}


class Inject:
    """Puts tokens of what was heard in the place of the last ones of the past.

    Inputs:
        tokens: int32 [row, frame, level]; of the chunk that was heard.
        frames: int32 [row]; how many of them, from the end, count; 0 = none.
        context: int32 [row, context_frame, level]; the past, -1 = nothing yet.

    Outputs:
        context: int32 [row, context_frame, level].
    """

    inputs: ClassVar[dict[str, Port]] = {
        "tokens": TOKENS,
        "frames": HEARD_FRAMES,
        "context": CONTEXT,
    }
    outputs: ClassVar[dict[str, Port]] = {"context": CONTEXT}

    def __init__(self, params: None, format: Format, device: jax.Device) -> None:
        self.end = format.dims["context_frame"]
        self.start = self.end - format.dims["frame"]

    def __call__(
        self, tokens: np.ndarray, frames: np.ndarray, context: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Replaces the last frames of every row."""
        from_end = np.arange(tokens.shape[1], 0, -1)[None]  # [1, frame]
        heard = (from_end <= frames[:, None])[..., None]  # [row, frame, 1]
        first = tokens.shape[1] - (self.end - self.start)  # a chunk may be as long as the past
        mixed = np.where(heard[:, first:], tokens[:, first:], context[:, self.start : self.end])
        parts = [context[:, : self.start], mixed, context[:, self.end :]]
        return {"context": np.concatenate(parts, axis=1)}


class InjectLate(Inject):
    """`Inject` behind `HearOn`: what was heard ends `fade_s` before the past ends.

    Inputs:
        tokens: as `Inject`, like the others.
        frames: see `tokens`.
        context: see `tokens`.

    Outputs:
        context: see `tokens`.
    """

    def __init__(self, params: None, format: Format, device: jax.Device) -> None:
        super().__init__(params, format, device)
        self.end -= format.fade_frames
        self.start = max(self.start - format.fade_frames, 0)


class PackApart:
    """Writes the past with what was heard, and for guidance the past without it, unstyled.

    Guidance then strengthens both: the style, and what was played in. Without input both pasts
    are the same, and this is `stages.context.Pack`.

    Inputs:
        context: int32 [row, context_frame, level]; with what was heard, -1 = nothing yet.
        own: int32 [row, context_frame, level]; as the model itself left it.
        style: int32 [row, style_level]; the first `prompt_style_levels` are shown.

    Outputs:
        prompt: int32 [row, prompt_token]; `context`, frame by frame, then the style.
        unprompted: int32 [row, prompt_token]; `own`, frame by frame, then masked style.

    Raises:
        ValueError: a code is outside [0, codebook_size).
    """

    inputs: ClassVar[dict[str, Port]] = {"context": CONTEXT, "own": CONTEXT, "style": STYLE_TOKENS}
    outputs: ClassVar[dict[str, Port]] = {"prompt": PROMPT, "unprompted": PROMPT}

    def __init__(self, params: None, format: Format, device: jax.Device) -> None:
        self.vocabulary = Vocabulary.of(format)

    def __call__(
        self, context: np.ndarray, own: np.ndarray, style: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Packs one tick's prompt and its unprompted twin."""
        vocabulary = self.vocabulary
        apart = vocabulary.unprompted(vocabulary.pack(own, style))
        return {"prompt": vocabulary.pack(context, style), "unprompted": apart}
