"""Live input as binary messages of soundstage's own protocol."""

from __future__ import annotations

import struct

import numpy as np

from soundstage.apps.server.protocols.frames import ENCODINGS
from soundstage.apps.server.protocols.websocket import Refused

LIVE_INPUT_MAGIC = b"shin"
LIVE_INPUT_HEADER = struct.Struct("<4s3I")


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
