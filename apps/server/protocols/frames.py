"""Audio as bytes: the samples that protocols send, and the chunks that our clients receive."""

from __future__ import annotations

import struct
from typing import Literal, TypeAlias

import numpy as np

from soundstage.runners.engine.chunk import EngineChunk

Encoding: TypeAlias = Literal["float32", "int16"]
ENCODINGS: tuple[Encoding, ...] = ("float32", "int16")

MAGIC = b"shck"
HEADER = struct.Struct("<4s7I")
# Flag of a frame that replaces an earlier one of the same index.
AGAIN = 1


def samples_bytes(audio: np.ndarray, encoding: Encoding) -> bytes:
    """Returns audio as interleaved little-endian samples.

    Args:
        audio: float32 [sample, channel], 1.0 = full scale; int16 is clipped there.
        encoding: "float32", or "int16" with 32767 = full scale.
    """
    if encoding == "float32":
        return audio.astype("<f4").tobytes()
    return np.rint(np.clip(audio, -1, 1) * 32767).astype("<i2").tobytes()


def chunk_frame(chunk: EngineChunk, sample_rate_hz: int, encoding: Encoding) -> bytes:
    """Returns a chunk as a binary message: a header of 32 bytes and samples (docs/protocol.md).

    Args:
        chunk: the chunk.
        sample_rate_hz: the rate of its audio.
        encoding: the encoding of the samples.
    """
    count, channels = chunk.audio.shape
    header = HEADER.pack(
        MAGIC,
        ENCODINGS.index(encoding),
        chunk.chunk & 0xFFFFFFFF,
        chunk.steer & 0xFFFFFFFF,
        sample_rate_hz,
        channels,
        count,
        AGAIN if chunk.again else 0,
    )
    return header + samples_bytes(chunk.audio, encoding)


def read_chunk_frame(message: bytes) -> np.ndarray:
    """Reads the samples of a chunk in the encoding float32, the inverse of `chunk_frame`.

    Returns:
        float32 `[sample, channel]`, 1.0 = full scale.

    Raises:
        ValueError: the message is none.
    """
    header = HEADER.unpack_from(message) if len(message) >= HEADER.size else (b"", 0)
    if header[:2] != (MAGIC, ENCODINGS.index("float32")):
        raise ValueError("a binary message is no chunk of float32 samples")
    audio = np.frombuffer(message, "<f4", offset=HEADER.size).astype(np.float32)
    return audio.reshape(header[6], header[5])
