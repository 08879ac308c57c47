"""Encoding of audio chunk by chunk, as the `EncodeStreaming` stage of every codec does it."""

from typing import Protocol

import numpy as np


class CodecEncoder(Protocol):
    """A codec that turns audio into tokens."""

    @property
    def frame_samples(self) -> int:
        """Audio samples of a frame and channel."""
        ...

    def encode(self, waveform: np.ndarray, levels: int | None = None) -> np.ndarray:
        """Encodes float32 [row, sample, channel] to int32 [row, frame, level]."""
        ...


def encode_after(
    codec: CodecEncoder, past: np.ndarray, audio: np.ndarray, levels: int, lead_frames: int
) -> np.ndarray:
    """Encodes audio with the end of the audio before it in front, and drops the tokens of that.

    Args:
        codec: encodes.
        past: float32 [row, sample, channel], whole frames; the audio before `audio`.
        audio: float32 [row, sample, channel].
        levels: how many of the codec's levels to return.
        lead_frames: frames of the past that the codec looks back on; a shorter past is used whole.

    Returns:
        int32 [row, frame, level], the tokens of `audio`.
    """
    lead_frames = min(lead_frames, past.shape[1] // codec.frame_samples)
    lead = past[:, past.shape[1] - lead_frames * codec.frame_samples :]
    tokens = codec.encode(np.concatenate([lead, audio], axis=1), levels)
    return np.ascontiguousarray(tokens[:, lead_frames:])
