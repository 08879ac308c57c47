"""Audio as bytes: the samples that protocols send, and the chunks that our clients receive."""

from __future__ import annotations

import struct
from typing import Literal, TypeAlias

import numpy as np

from soundstage.runners.engine.chunk import EngineChunk

Encoding: TypeAlias = Literal["float32", "int16"]
ENCODINGS: tuple[Encoding, ...] = ("float32", "int16")
DTYPES = {"float32": "<f4", "int16": "<i2"}
# Samples are converted in blocks of so many: new memory for all at once, which a server gives back
# each time (`give_back_large_blocks`), would cost more than the rest.
BLOCK = 1 << 14

MAGIC = b"shck"
HEADER = struct.Struct("<4s7I")
# Flag of a frame that replaces an earlier one of the same index.
AGAIN = 1


def samples_bytes(audio: np.ndarray, encoding: Encoding, header: bytes = b"") -> bytearray:
    """Returns audio as interleaved little-endian samples.

    Args:
        audio: float32 [sample, channel], 1.0 = full scale; int16 is clipped there.
        encoding: "float32", or "int16" with 32767 = full scale.
        header: goes before the samples.
    """
    samples, dtype = audio.reshape(-1), np.dtype(DTYPES[encoding])
    data = bytearray(len(header) + samples.size * dtype.itemsize)
    data[: len(header)] = header
    target = np.frombuffer(data, dtype, offset=len(header))
    if encoding == "float32":
        target[:] = samples
        return data
    for start in range(0, samples.size, BLOCK):
        block = samples[start : start + BLOCK] * 32767
        np.rint(block, out=block)
        np.clip(block, -32767, 32767, out=block)
        target[start : start + BLOCK] = block
    return data


def chunk_frame(chunk: EngineChunk, sample_rate_hz: int, encoding: Encoding) -> bytearray:
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
    return samples_bytes(chunk.audio, encoding, header)


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
