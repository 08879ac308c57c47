"""Sessions that come with chunks, packed: they may outweigh the audio of a short chunk."""

from __future__ import annotations

import struct

import pyarrow as pa

# Four bytes, and the length of the session behind them.
_HEAD = struct.Struct("<4sI")
_MAGIC = b"SST1"
_CODEC = "zstd"
# The arrays of a session that comes with every chunk have 128 kB at most, its pipeline a few more.
MOST_BYTES = 1 << 20


def pack(session: bytes) -> bytes:
    """Packs the bytes of a saved session; `unpack` returns them."""
    packed: bytes = pa.compress(session, codec=_CODEC, asbytes=True)
    return _HEAD.pack(_MAGIC, len(session)) + packed


def unpack(token: bytes) -> bytes:
    """Returns the session of a token; bytes that are no token are returned as they are.

    Raises:
        ValueError: the token is damaged, or its session is larger than `MOST_BYTES`.
    """
    if not token.startswith(_MAGIC):
        return token
    if len(token) < _HEAD.size:
        raise ValueError("its end is missing")
    _, length = _HEAD.unpack_from(token)
    if length > MOST_BYTES:
        raise ValueError(f"{length} bytes; at most {MOST_BYTES} are accepted")
    try:
        session: bytes = pa.decompress(
            token[_HEAD.size :], decompressed_size=length, codec=_CODEC, asbytes=True
        )
    except (pa.ArrowException, OSError) as error:
        raise ValueError(str(error).splitlines()[0]) from error
    return session
