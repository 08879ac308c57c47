"""Audio as bytes: the samples that protocols send, and the live input that ours receives."""

from __future__ import annotations

import struct
from typing import Literal, TypeAlias

import numpy as np

from soundstage.apps.server.protocols.websocket import Refused
from soundstage.runners.engine.chunk import EngineChunk

Encoding: TypeAlias = Literal["float32", "int16"]
ENCODINGS: tuple[Encoding, ...] = ("float32", "int16")

MAGIC = b"shck"
# Begins live input.
LIVE_INPUT_MAGIC = b"shin"
LIVE_INPUT_HEADER = struct.Struct("<4s3I")
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


def read_live_input(message: bytes) -> tuple[np.ndarray, int]:
    """Reads live input: a header of 16 bytes and samples (docs/protocol.md).

    Returns:
        float32 [sample, channel], 1.0 = full scale; and their rate in Hz.

    Raises:
        Refused: the message is not live input, or its header is not usable.
    """
    if len(message) < LIVE_INPUT_HEADER.size or not message.startswith(LIVE_INPUT_MAGIC):
        magic, start = LIVE_INPUT_MAGIC.decode(), repr(message[:4])
        raise Refused(f"a binary message is live input and begins with {magic}, not {start}")
    _, encoding, rate_hz, channels = LIVE_INPUT_HEADER.unpack_from(message)
    if encoding >= len(ENCODINGS) or channels not in (1, 2):
        raise Refused(
            f"live input has encoding 0 (float32) or 1 (int16) and 1 or 2 channels, not encoding "
            f"{encoding} and {channels} channels"
        )
    dtype = "<f4" if ENCODINGS[encoding] == "float32" else "<i2"
    rest = (len(message) - LIVE_INPUT_HEADER.size) % (np.dtype(dtype).itemsize * channels)
    if rest:
        raise Refused(f"the audio ends within a sample: {rest} bytes are left over")
    values = np.frombuffer(message, dtype, offset=LIVE_INPUT_HEADER.size).reshape(-1, channels)
    samples = values.astype(np.float32)
    return (samples if dtype == "<f4" else samples * np.float32(1 / 32767)), rate_hz
