"""The stage that writes a player's controls as the numbers that condition every frame."""

from __future__ import annotations

from typing import ClassVar

import jax
import numpy as np

from soundstage.graph.format import Format
from soundstage.graph.port import Port
from soundstage.stages.magenta_rt2.numbers import note_states, strength_bins
from soundstage.stages.ports import (
    CONTROL_NUMBERS,
    DRUMS_STRENGTH,
    LAST_NOTES,
    NOTE_DRUMS,
    NOTES,
    NOTES_STRENGTH,
    STYLE_STRENGTH,
)

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
