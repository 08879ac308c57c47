"""The stages that turn a player's controls into the conditioning of every frame."""

from __future__ import annotations

from typing import ClassVar

import jax
import numpy as np
from flax import nnx

from soundstage.graph.format import Format
from soundstage.graph.port import Port
from soundstage.stages.magenta_rt2.loading import load_conditioning
from soundstage.stages.magenta_rt2.numbers import MASKED, note_states, strength_bins
from soundstage.stages.magenta_rt2.params import FrameModelParams, fitted
from soundstage.stages.ports import (
    CONDITION,
    CONTROL_NUMBERS,
    DRUMS_STRENGTH,
    LAST_NOTES,
    NOTE_DRUMS,
    NOTES,
    NOTES_STRENGTH,
    STYLE_STRENGTH,
    STYLE_TOKENS,
)
from soundstage.stages.weights.published.missing import lacking
from soundstage.stages.weights.sources import closing_source

SCALE_BINS = (41, 41, 9)


class Notes:
    """Writes notes, drums and strengths as the numbers that condition every frame.

    A note that is asked to begin (2) in two frames in a row begins in the first and sounds on in
    the others, so a control that stays the same does not strike a note again.

    Inputs:
        notes: int32 [~note_frame, pitch] a row; by MIDI pitch -1 = the model decides, 0 = off, 1 =
            sounds on, 2 = begins, 3 = sounds and the model decides which of 1 and 2. A row of it a
            frame; the last holds for the frames after it. None at all = the model decides.
        drums: int32 [row]; 1 = drums, 0 = none, -1 = the model decides.
        style_strength: float32 [row], in [-1, 7]; how closely the music follows the prompts.
        notes_strength: float32 [row], in [-1, 7].
        drums_strength: float32 [row], in [-1, 7].
        last: int32 [row, pitch]; this stage's output for the chunk before, -1 at first.

    Outputs:
        numbers: int32 [row, frame, control_number]; notes, drums and strengths, -1 = masked.
        last: int32 [row, pitch]; the notes asked for the chunk's last frame.

    Source: the Magenta RealTime 2 spec, section 3.
    """

    inputs: ClassVar[dict[str, Port]] = {
        "notes": NOTES,
        "drums": NOTE_DRUMS,
        "style_strength": STYLE_STRENGTH,
        "notes_strength": NOTES_STRENGTH,
        "drums_strength": DRUMS_STRENGTH,
        "last": LAST_NOTES,
    }
    outputs: ClassVar[dict[str, Port]] = {"numbers": CONTROL_NUMBERS, "last": LAST_NOTES}
    uses_device: ClassVar[bool] = False

    def __init__(self, params: None, format: Format, device: jax.Device | None) -> None:
        self._frames = format.dims["frame"]

    def __call__(
        self,
        notes: list[np.ndarray],
        drums: np.ndarray,
        style_strength: np.ndarray,
        notes_strength: np.ndarray,
        drums_strength: np.ndarray,
        last: np.ndarray,
    ) -> dict[str, np.ndarray]:
        """Writes the numbers of one chunk of every row."""
        each = zip(notes, last, strict=True)
        made = [note_states(asked, self._frames, before) for asked, before in each]
        states, lasts = zip(*made, strict=True)
        strengths = np.stack([style_strength, notes_strength, drums_strength], axis=1)
        once = np.concatenate([drums[:, None], strength_bins(strengths, SCALE_BINS)], axis=1)
        every = np.repeat(once[:, None], self._frames, axis=1)
        numbers = np.concatenate([np.stack(states), every], axis=2).astype(np.int32)
        return {"numbers": numbers, "last": np.stack(lasts).astype(np.int32)}


class Condition:
    """Embeds the style and the numbers that condition a frame.

    Inputs:
        style: int32 [row, style_level]; the first `prompt_style_levels` are used, the others
            masked.
        numbers: int32 [row, frame, control_number]; as `Notes` returns them.

    Outputs:
        embedding: float32 [row, frame, condition_dim].

    Raises:
        ValueError: at construction, the model does not fit the format.
        WeightsError: the weights cannot be used.

    Source: the Magenta RealTime 2 spec, section 3.
    """

    inputs: ClassVar[dict[str, Port]] = {"style": STYLE_TOKENS, "numbers": CONTROL_NUMBERS}
    outputs: ClassVar[dict[str, Port]] = {"embedding": CONDITION}
    Params: ClassVar[type] = FrameModelParams
    lacking = staticmethod(lacking)

    def __init__(self, params: FrameModelParams, format: Format, device: jax.Device) -> None:
        config = fitted(params, format, device)
        with closing_source(params.weights) as source:
            loaded = load_conditioning(config, source, device)
        self.weights_digest, self.weights_note = loaded.digest, loaded.note
        self._shown, self._device = format.prompt_style_levels, device
        graph, self._state = nnx.split(loaded.module)
        self._embed = jax.jit(
            lambda state, numbers: nnx.merge(graph, state).encoder(numbers).astype(np.float32)
        )

    def __call__(self, style: np.ndarray, numbers: np.ndarray) -> dict[str, np.ndarray]:
        """Embeds each conditioning of one chunk of every row once."""
        rows, frames, _ = numbers.shape
        shown = np.where(np.arange(style.shape[1]) < self._shown, style, MASKED)
        styles = np.broadcast_to(shown[:, None], (rows, frames, style.shape[1]))
        whole = np.concatenate([styles, numbers], axis=2).astype(np.int32)
        asked, places = np.unique(whole.reshape(rows * frames, -1), axis=0, return_inverse=True)
        # One by one: the numbers of several at once differ in their last bits, and with them the
        # states of equal streams.
        given = jax.device_put(list(asked[:, None]), self._device)
        embedded = np.concatenate([np.asarray(self._embed(self._state, one)) for one in given])
        return {"embedding": embedded[places.reshape(-1)].reshape(rows, frames, -1)}
