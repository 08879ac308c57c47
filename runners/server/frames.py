"""Audio as bytes: what each protocol puts on the wire."""

from __future__ import annotations

import struct
from typing import Literal, TypeAlias

import numpy as np

from runners.server.made import Made

Encoding: TypeAlias = Literal["float32", "int16"]
ENCODINGS: tuple[Encoding, ...] = ("float32", "int16")

MAGIC = b"shck"
HEADER = struct.Struct("<4s7I")
# Flags of a frame.
AGAIN = 1


def samples_bytes(audio: np.ndarray, encoding: Encoding) -> bytes:
    """Interleaved little-endian samples.

    Args:
        audio: float32 [sample, channel], 1.0 = full scale; beyond it int16 is cut off.
        encoding: "float32", or "int16" with 32767 = full scale.
    """
    if encoding == "float32":
        return audio.astype("<f4").tobytes()
    return np.rint(np.clip(audio, -1, 1) * 32767).astype("<i2").tobytes()


def chunk_frame(made: Made, sample_rate_hz: int, encoding: Encoding) -> bytes:
    """One chunk as a binary message: a header of 32 bytes and the samples (docs/protocol.md).

    Args:
        made: the chunk.
        sample_rate_hz: of its audio.
        encoding: of its samples.
    """
    count, channels = made.audio.shape
    header = HEADER.pack(
        MAGIC,
        ENCODINGS.index(encoding),
        made.chunk & 0xFFFFFFFF,
        made.steer & 0xFFFFFFFF,
        sample_rate_hz,
        channels,
        count,
        AGAIN if made.again else 0,
    )
    return header + samples_bytes(made.audio, encoding)
