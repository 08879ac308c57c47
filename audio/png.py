"""Encodes small pictures as PNG files, without a drawing library."""

import struct
import zlib

import numpy as np

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_INDEXED = 3


def encode_png(indices: np.ndarray, palette: np.ndarray) -> bytes:
    """Encodes a picture of at most 256 colours.

    Args:
        indices: uint8 [row, column], the first row on top; each pixel's colour in the palette.
        palette: uint8 [colour, 3], red, green and blue.

    Returns:
        The bytes of a PNG file; equal pictures give equal bytes.
    """
    if indices.dtype != np.uint8 or indices.ndim != 2 or not indices.size:
        raise TypeError(f"indices must be uint8 [row, column], got {indices.dtype}")
    if palette.dtype != np.uint8 or not int(indices.max()) < len(palette) <= 256:
        raise TypeError(f"palette must be uint8 [colour, 3] for every index, got {palette.shape}")
    height, width = indices.shape
    header = struct.pack(">2I5B", width, height, 8, _INDEXED, 0, 0, 0)
    # Each row begins with its filter: 0 = none, which compresses indices best.
    rows = np.pad(indices, ((0, 0), (1, 0))).tobytes()
    parts = {
        b"IHDR": header,
        b"PLTE": palette.tobytes(),
        b"IDAT": zlib.compress(rows, 9),
        b"IEND": b"",
    }
    return _SIGNATURE + b"".join(_part(kind, data) for kind, data in parts.items())


def _part(kind: bytes, data: bytes) -> bytes:
    checked = kind + data
    return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))
