"""Joins the first chunk of music to the end of the clip that it continues."""

from __future__ import annotations

import numpy as np

from soundstage.graph.format import Format


class Beginning:
    """The join of a clip and the music that continues it; without the clip, a fade-in.

    The first `fade_s` of the music repeats the end of the clip, decoded from its tokens. There the
    two are cross-faded at equal power.

    Args:
        clip: float32 [sample, channel].
        format: has the length of the fade.
        keep: whether the output starts with the clip.

    Attributes:
        before: float32 [sample, channel]; the audio to write before the first chunk.
    """

    def __init__(self, clip: np.ndarray, format: Format, keep: bool) -> None:
        length = format.dims["fade_sample"]
        rise = np.sin(np.linspace(0, np.pi / 2, length, endpoint=False, dtype=np.float32))
        self._rise = rise[:, None]  # [fade_sample, 1]
        start = max(len(clip) - length, 0)
        self._tail = np.zeros((length, clip.shape[1]), np.float32)
        if keep:
            self._tail[length - (len(clip) - start) :] = clip[start:]
        self.before = clip[:start] if keep else clip[:0]

    def joined(self, audio: np.ndarray) -> np.ndarray:
        """Returns the first chunk, float32 [sample, channel], joined to the clip's end."""
        length = len(self._rise)
        head = audio[:length] * self._rise + self._tail * self._rise[::-1]
        return np.concatenate([head, audio[length:]])
