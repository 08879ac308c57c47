"""Joins chunks without a click."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from soundstage.graph.format import Format
from soundstage.graph.port import Port
from soundstage.stages.ports import AUDIO, FADE_TAIL, FADED_AUDIO

if TYPE_CHECKING:
    import jax


class Crossfade:
    """Fades the end of the previous chunk into the start of this one, at equal power.

    The rise is a quarter sine without its end point, and the fall is the rise reversed, as in the
    code of the Magenta RealTime paper. The fall is one sample later than the exact partner of the
    rise, so the power of a join dips below 1 by at most sin(pi / (2 * fade_sample)).

    Inputs:
        audio: float32 [row, faded_sample, channel]; begins with the overlap with the chunk before.
        tail: float32 [row, fade_sample, channel]; the end of the chunk before, zeros at first.

    Outputs:
        audio: float32 [row, sample, channel]; faded in, without its last `fade_sample` samples.
        tail: float32 [row, fade_sample, channel]; those samples, for the next chunk.
    """

    inputs: ClassVar[dict[str, Port]] = {"audio": FADED_AUDIO, "tail": FADE_TAIL}
    outputs: ClassVar[dict[str, Port]] = {"audio": AUDIO, "tail": FADE_TAIL}
    uses_device: ClassVar[bool] = False

    def __init__(self, params: None, format: Format, device: jax.Device | None) -> None:
        fade_samples = format.dims["fade_sample"]
        rise = np.sin(np.linspace(0, np.pi / 2, fade_samples, endpoint=False, dtype=np.float32))
        self.rise = rise[:, None]  # [fade_sample, 1]
        self.fall = rise[::-1, None]  # [fade_sample, 1]

    def __call__(self, audio: np.ndarray, tail: np.ndarray) -> dict[str, np.ndarray]:
        """Joins one chunk of every row to the chunk before."""
        n = len(self.rise)
        head = audio[:, :n] * self.rise + tail * self.fall
        return {"audio": np.concatenate([head, audio[:, n:-n]], axis=1), "tail": audio[:, -n:]}
