"""Audio as bytes: what each protocol puts on the wire, and what ours takes from it."""

from __future__ import annotations

import struct
from typing import Literal, TypeAlias

import numpy as np

from soundstage.apps.server.protocols.websocket import Refused
from soundstage.runners.engine.chunk import EngineChunk

Encoding: TypeAlias = Literal["float32", "int16"]
ENCODINGS: tuple[Encoding, ...] = ("float32", "int16")

MAGIC = b"shck"
# Of audio that is played in.
LIVE_INPUT_MAGIC = b"shin"
LIVE_INPUT_HEADER = struct.Struct("<4s3I")
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


def chunk_frame(made: EngineChunk, sample_rate_hz: int, encoding: Encoding) -> bytes:
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


def read_live_input(message: bytes) -> tuple[np.ndarray, int]:
    """Reads audio that is played in: a header of 16 bytes and the samples (docs/protocol.md).

    Returns:
        float32 [sample, channel], 1.0 = full scale; and their rate in Hz.

    Raises:
        Refused: it is no such message.
    """
    if len(message) < LIVE_INPUT_HEADER.size or not message.startswith(LIVE_INPUT_MAGIC):
        raise Refused("a binary message is audio that is played in, and begins with shin")
    _, encoding, rate_hz, channels = LIVE_INPUT_HEADER.unpack_from(message)
    if encoding >= len(ENCODINGS) or channels not in (1, 2):
        raise Refused(
            f"audio played in has encoding 0 (float32) or 1 (int16) and 1 or 2 channels, not "
            f"{encoding} and {channels}"
        )
    kind = "<f4" if ENCODINGS[encoding] == "float32" else "<i2"
    size = (len(message) - LIVE_INPUT_HEADER.size) % (np.dtype(kind).itemsize * channels)
    if size:
        raise Refused(f"the audio ends within a sample: {size} bytes are left over")
    found = np.frombuffer(message, kind, offset=LIVE_INPUT_HEADER.size).reshape(-1, channels)
    samples = found.astype(np.float32)
    return (samples if kind == "<f4" else samples * np.float32(1 / 32767)), rate_hz
