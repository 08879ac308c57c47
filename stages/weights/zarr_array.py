"""The header of a zarr v2 array, and its chunks, unpacked to no more than the header allows."""

import json
import math
import zlib
from collections.abc import Iterator

import ml_dtypes
import numpy as np

from soundstage.documents import read_json
from soundstage.stages.weights.array_source import WeightsError

ARRAY_FILE = ".zarray"
# Far above any real array (31 million numbers) and chunk (64 MiB), far below exhausting memory.
MOST_ELEMENTS = 1 << 31
MOST_CHUNK_ELEMENTS = 1 << 29
# zlib's code for a stream with a gzip or a zlib header.
EITHER_HEADER = 32 + zlib.MAX_WBITS
# The bytes of a blosc chunk that hold its unpacked size.
BLOSC_SIZE = slice(4, 8)


class ZarrArray:
    """The shape and the chunks of a zarr array, from its `.zarray` file.

    Args:
        where: the array's folder, for errors.
        header: the parsed file.

    Attributes:
        shape: the array's shape.
        chunks: the shape of every chunk; chunks at the upper edges extend beyond the array.

    Raises:
        KeyError, TypeError, ValueError: the header is damaged.
        WeightsError: its sizes are impossible.
    """

    def __init__(self, where: str, header: dict[str, object]) -> None:
        self._where = where
        self._header = header
        self.shape = _sizes(header["shape"])
        self.chunks = _sizes(header["chunks"])
        self._separator = str(header.get("dimension_separator", "."))
        compressor = header.get("compressor")
        self._compressor = compressor.get("id") if isinstance(compressor, dict) else None
        if not self._is_sane():
            raise WeightsError(
                f"{where}: shape {self.shape} in chunks {self.chunks} is impossible; fetch it again"
            )

    def _is_sane(self) -> bool:
        return (
            len(self.shape) == len(self.chunks)
            and min((0, *self.shape)) >= 0
            and min((1, *self.chunks)) >= 1
            and math.prod(self.shape) <= MOST_ELEMENTS
            and math.prod(self.chunks) <= MOST_CHUNK_ELEMENTS
        )

    @classmethod
    def parse(cls, where: str, content: bytes) -> "ZarrArray":
        """Parses a zarr v2 header.

        Raises:
            WeightsError: the header is damaged, or its sizes are impossible.
        """
        try:
            return cls(where, read_json(content))
        except WeightsError:
            raise
        except (ValueError, KeyError, TypeError) as error:
            raise WeightsError(f"{where}/{ARRAY_FILE} is damaged ({error!r})") from error

    def chunk_keys(self) -> Iterator[str]:
        """Yields the file name of every chunk of the array."""
        counts = [-(-size // chunk) for size, chunk in zip(self.shape, self.chunks, strict=True)]
        if not counts:
            yield "0"
            return
        for index in _grid(counts):
            yield self._separator.join(str(i) for i in index)

    def plain_header(self) -> bytes:
        """Returns the header that fits chunks as `unpacked` returns them."""
        inflated = self._compressor in ("gzip", "zlib")
        return json.dumps(self._header | ({"compressor": None} if inflated else {})).encode()

    def unpacked(self, key: str, content: bytes) -> bytes:
        """Unpacks a chunk that is compressed with gzip or zlib.

        A chunk of another compressor is returned as it is, unless its header states more bytes
        than a chunk holds.

        Raises:
            WeightsError: the chunk is damaged, or unpacks to more bytes than a chunk holds.
        """
        most = math.prod(self.chunks) * _item_bytes(self._header["dtype"])
        if self._compressor in ("gzip", "zlib"):
            return self._inflated(key, content, most)
        claimed = content[BLOSC_SIZE] if self._compressor == "blosc" else b""
        if int.from_bytes(claimed, "little") > most:
            raise WeightsError(f"{self._where}: chunk {key} unpacks to more than {most} bytes")
        return content

    def _inflated(self, key: str, content: bytes, most: int) -> bytes:
        stream = zlib.decompressobj(EITHER_HEADER)
        try:
            # At most one byte too many: a small chunk can be made to unpack to terabytes.
            plain = stream.decompress(content, most + 1)
        except zlib.error as error:
            raise WeightsError(
                f"{self._where}: chunk {key} cannot be read ({error}); fetch the checkpoint again"
            ) from error
        if len(plain) > most:
            raise WeightsError(f"{self._where}: chunk {key} unpacks to more than {most} bytes")
        if not stream.eof or len(plain) != most:
            raise WeightsError(
                f"{self._where}: chunk {key} cannot be read (cut off); fetch the checkpoint again"
            )
        return plain


def _sizes(values: object) -> tuple[int, ...]:
    if not isinstance(values, list):
        raise TypeError(f"{values!r} is no list of sizes")
    return tuple(int(size) for size in values)


def _item_bytes(dtype: object) -> int:
    if dtype == "bfloat16":
        return np.dtype(ml_dtypes.bfloat16).itemsize
    try:
        return np.dtype(str(dtype)).itemsize
    except TypeError as error:
        raise WeightsError(
            f"zarr type {dtype!r} is not supported; use float32, bfloat16 or float16"
        ) from (error)


def _grid(counts: list[int]) -> Iterator[tuple[int, ...]]:
    """Yields every index of a grid, without a list: a header may state any number of chunks."""
    if len(counts) == 1:
        yield from ((index,) for index in range(counts[0]))
        return
    for index in range(counts[0]):
        yield from ((index, *rest) for rest in _grid(counts[1:]))
