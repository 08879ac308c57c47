"""The numbers that a player's controls become. Source: the Magenta RealTime 2 spec, section 3."""

from __future__ import annotations

import numpy as np

MASKED = -1
# States of a note: off, sounding on, begins in this frame, sounds and the model decides.
OFF, ON, BEGINS, SOUNDS = 0, 1, 2, 3
# As shipped: the strengths of style, notes and drums.
STRENGTHS = (3.0, 1.0, 1.0)
LEAST_STRENGTH, GREATEST_STRENGTH = -1.0, 7.0


def strength_bins(strengths: np.ndarray, bins: tuple[int, ...]) -> np.ndarray:
    """Returns the bins of strengths, int32 [row, strength]; half to even.

    Args:
        strengths: float [row, strength], clipped to [-1, 7].
        bins: the number of bins of each.
    """
    steps = (GREATEST_STRENGTH - LEAST_STRENGTH) / (np.array(bins) - 1)
    clipped = np.clip(strengths.astype(np.float64), LEAST_STRENGTH, GREATEST_STRENGTH)
    return np.round((clipped - LEAST_STRENGTH) / steps).astype(np.int32)


def note_states(asked: np.ndarray, frames: int, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the notes of every frame of a tick.

    A note that begins in two frames in a row begins once: later frames hold it.

    Args:
        asked: int32 [any, pitch], one row a frame; the last row holds for the frames after it, and
            no row means that the model decides about all notes.
        frames: of the tick.
        last: int32 [pitch], as asked for the last frame of the tick before.

    Returns:
        int32 [frame, pitch], and what was asked for the last frame.
    """
    if not len(asked):
        asked = np.full((1, len(last)), MASKED, np.int32)
    rows = asked[np.minimum(np.arange(frames), len(asked) - 1)]
    before = np.concatenate([last[None], rows[:-1]])
    return np.where((rows == BEGINS) & (before == BEGINS), ON, rows).astype(np.int32), rows[-1]
