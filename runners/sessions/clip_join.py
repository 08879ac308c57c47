"""Where music that goes on from a clip begins: at the clip's end, without a seam."""

from __future__ import annotations

import numpy as np

from soundstage.graph.format import Format


class Beginning:
    """Joins the music to the clip that it goes on from, or fades it in where the clip is left out.

    The music's first `fade_s` is the end of the clip once more, as the codec renders it; that is
    where the two are blended, at equal power.

    Args:
        clip: float32 [sample, channel], to its end.
        format: gives the length of the fade.
        keep: whether the clip is in front of the music.

    Attributes:
        before: float32 [sample, channel]; what is to be written in front of the first chunk.
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
        """The first chunk, float32 [sample, channel], joined to the clip's end."""
        length = len(self._rise)
        head = audio[:length] * self._rise + self._tail * self._rise[::-1]
        return np.concatenate([head, audio[length:]])
