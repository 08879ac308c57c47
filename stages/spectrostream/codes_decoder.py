"""The decoder in streaming mode whose state is the last codes, not its layers' last inputs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from soundstage.graph.format import Format
from soundstage.graph.port import Port
from soundstage.stages.ports import AUDIO, CODEC_PAST, TOKENS
from soundstage.stages.spectrostream.config import SpectroStreamConfig
from soundstage.stages.spectrostream.stage import (
    Encode,
    StreamingParams,
    check_delay,
    check_memory,
    load_stage,
)
from soundstage.stages.spectrostream.streaming import MemoryLayout, frames_back
from soundstage.stages.weights.published.missing import lacking

if TYPE_CHECKING:
    import jax

# Chunks of up to so many frames need a past of the same size.
USUAL_FRAMES = 50


class DecodeFromCodes:
    """Renders a chunk's tokens as the seamless continuation of the chunk before.

    The audio is that of `DecodeStreaming`, bit for bit. That stage feeds back the last inputs of
    every layer, this one the last codes, from which they follow: a hundredth of the numbers at
    full size. The layers' inputs are this stage's memo.

    Inputs:
        tokens: int32 [row, frame, level], in [0, codebook_size).
        past: int32 [row, codec_memory]; this stage's output for the chunk before: the codes of a
            frame after those of the frame before, -1 = nothing yet.

    Outputs:
        audio: float32 [row, sample, channel].
        past: int32 [row, codec_memory]; for the next chunk.

    Raises:
        ValueError: at construction, the codec does not fit the format; when called, a token is
            out of range (names its index).
        WeightsError: the weights cannot be used.
    """

    inputs: ClassVar[dict[str, Port]] = {"tokens": TOKENS, "past": CODEC_PAST}
    outputs: ClassVar[dict[str, Port]] = {"audio": AUDIO, "past": CODEC_PAST}
    memo: ClassVar[tuple[str, ...]] = ("past",)
    Params: ClassVar[type] = StreamingParams
    lacking = staticmethod(lacking)
    encoder: ClassVar[type] = Encode

    def __init__(self, params: StreamingParams, format: Format, device: jax.Device) -> None:
        self._frames, self._levels = format.dims["frame"], format.dims["level"]
        check_memory(format, past_frames(params.config, self._frames) * self._levels)
        check_delay(params.config, format)
        parts = ("quantizer", "decoder")
        loaded = load_stage(params, format, device, parts)
        self._codec, self.weights_digest, self.weights_note = loaded
        self._size = MemoryLayout(params.config).size
        self._chunks_back = math.ceil(frames_back(params.config) / self._frames)

    def rebuild(self, past: np.ndarray) -> dict[str, np.ndarray]:
        """Returns the last inputs of the layers after the codes of the past.

        Chunk by chunk, as they were computed. A chunk of which only a part is known is left out.
        """
        rows = len(past)
        memory = np.zeros((rows, self._size), np.float32)
        frames = past.reshape(rows, -1, self._levels)
        for back in range(self._chunks_back, 0, -1):
            start = frames.shape[1] - back * self._frames
            chunk = frames[:, start : start + self._frames]
            known = np.all(chunk >= 0, axis=(1, 2))
            if known.any():
                _, after = self._codec.decode_streaming(np.maximum(chunk, 0), memory)
                memory = np.where(known[:, None], after, memory)
        return {"memory": memory}

    def __call__(
        self, tokens: np.ndarray, past: np.ndarray, *, memo: Mapping[str, np.ndarray | jax.Array]
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray | jax.Array]]:
        """Renders one chunk of every row; compiles at the first call for a number of rows."""
        audio, memory = self._codec.decode_next(tokens, memo["memory"])
        codes = tokens.reshape(len(tokens), -1)
        kept = np.concatenate([past[:, codes.shape[1] :], codes], axis=1)
        return {"audio": audio, "past": kept}, {"memory": memory}


def past_frames(config: SpectroStreamConfig, frames: int) -> int:
    """Returns the number of frames of the past: whole chunks that determine a stream's memory.

    Args:
        config: the sizes of the codec.
        frames: length of a chunk; the result is the same up to `USUAL_FRAMES`.
    """
    return frames_back(config) + max(frames, USUAL_FRAMES) - 1
