"""Joins chunks without a click."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

import numpy as np

from soundstage.graph.format import Format
from soundstage.graph.port import Port
from soundstage.stages.ports import AUDIO, FADE_TAIL, FADED_AUDIO

if TYPE_CHECKING:
    import jax


Ramp = Literal["equal-power", "linear"]


@dataclass(frozen=True)
class CrossfadeParams:
    """Settings of `Crossfade`.

    Attributes:
        ramp: "equal-power" keeps the loudness of a join where two chunks differ; "linear" keeps
            the waveform where they are equal.

    Raises:
        ValueError: the ramp is another.
    """

    ramp: Ramp = "equal-power"

    def __post_init__(self) -> None:
        if self.ramp not in get_args(Ramp):
            raise ValueError(f"ramp must be one of {', '.join(get_args(Ramp))}, got {self.ramp!r}")


class Crossfade:
    """Fades the end of the previous chunk into the start of this one.

    The rise is a quarter sine or a straight line, without its end point, and the fall is the rise
    reversed, as in the code of the Magenta RealTime paper. The fall is one sample later than the
    exact partner of the rise, so the power of an equal-power join dips below 1 by at most
    sin(pi / (2 * fade_sample)), and the amplitude of a linear one by 1 / fade_sample.

    Inputs:
        audio: float32 [row, faded_sample, channel]; begins with the overlap with the chunk before.
        tail: float32 [row, fade_sample, channel]; the end of the chunk before, zeros at first.

    Outputs:
        audio: float32 [row, sample, channel]; faded in, without its last `fade_sample` samples.
        tail: float32 [row, fade_sample, channel]; those samples, for the next chunk.
    """

    inputs: ClassVar[dict[str, Port]] = {"audio": FADED_AUDIO, "tail": FADE_TAIL}
    outputs: ClassVar[dict[str, Port]] = {"audio": AUDIO, "tail": FADE_TAIL}
    Params = CrossfadeParams
    uses_device: ClassVar[bool] = False

    def __init__(self, params: CrossfadeParams, format: Format, device: jax.Device | None) -> None:
        fade_samples = format.dims["fade_sample"]
        linear = params.ramp == "linear"
        end = 1 if linear else np.pi / 2
        line = np.linspace(0, end, fade_samples, endpoint=False, dtype=np.float32)
        rise = line if linear else np.sin(line)
        self.rise = rise[:, None]  # [fade_sample, 1]
        self.fall = rise[::-1, None]  # [fade_sample, 1]

    def __call__(self, audio: np.ndarray, tail: np.ndarray) -> dict[str, np.ndarray]:
        """Joins one chunk of every row to the chunk before."""
        n = len(self.rise)
        head = audio[:, :n] * self.rise + tail * self.fall
        return {"audio": np.concatenate([head, audio[:, n:-n]], axis=1), "tail": audio[:, -n:]}
