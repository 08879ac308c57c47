"""WAV files: headers for pipes, tags of any length and more than 4 GB of audio.

libsndfile drops WAV tags of more than a few kilobytes, and cannot write to a pipe.
"""

import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np

# The bytes of a sample, by the subtype's name in libsndfile.
SAMPLE_BYTES: Mapping[str, int] = {
    "PCM_16": 2,
    "PCM_24": 3,
    "PCM_32": 4,
    "PCM_U8": 1,
    "FLOAT": 4,
    "DOUBLE": 8,
}
FLOATS = ("FLOAT", "DOUBLE")

_UNKNOWN = 0xFFFFFFFF
# Programs that write to a pipe do not know the size and claim at least this one, about 2 GB.
_CLAIMS_A_LOT = 0x7FFFF000
_LONGEST_TAGS = 1 << 26


@dataclass(frozen=True)
class Cue:
    """A marked place in audio.

    Attributes:
        sample: its place, in samples per channel from the beginning.
        label: what begins there.
    """

    sample: int
    label: str


class ByteSink(Protocol):
    """The methods of a binary stream that `WavEncoder` needs."""

    def write(self, data: bytes, /) -> int:
        """Writes all of `data`."""
        ...

    def seekable(self) -> bool:
        """Whether `seek` works."""
        ...

    def seek(self, offset: int, /) -> int:
        """Moves to `offset` bytes from the start."""
        ...


class WavEncoder:
    """Writes audio as WAV, or as RF64 if it exceeds 4 GB.

    Args:
        stream: the stream to write to; it is not closed here.
        sample_rate_hz: samples per second and channel.
        channels: audio channels.
        subtype: one of `SAMPLE_BYTES`.
        tags: INFO chunks by four-letter name ("INAM" title, "ICMT" comment, "ISFT" software).
        total_samples: samples per channel, for the first header; None = unknown. In a stream that
            can seek, the header is true after every write.
    """

    def __init__(
        self,
        stream: ByteSink,
        sample_rate_hz: int,
        channels: int,
        subtype: str,
        tags: Mapping[str, str],
        total_samples: int | None,
    ) -> None:
        self._stream = stream
        self._sample_rate_hz = sample_rate_hz
        self._channels = channels
        self._subtype = subtype
        self._info = _info_chunk(tags)
        self._written_bytes = 0
        frame_bytes = channels * SAMPLE_BYTES[subtype]
        total_bytes = None if total_samples is None else total_samples * frame_bytes
        self._header_bytes = stream.write(self._header(total_bytes))

    def write(self, block: np.ndarray) -> None:
        """Appends float32 [sample, channel], within +-1.0 for integer subtypes."""
        data = _encoded(block, self._subtype)
        self._stream.write(data)
        self._written_bytes += len(data)
        if self._stream.seekable():
            self._stream.seek(0)
            self._stream.write(self._header(self._written_bytes))
            self._stream.seek(self._header_bytes + self._written_bytes)

    def close(self, cues: Sequence[Cue] = ()) -> None:
        """Pads to an even number of bytes, and appends cue points if the stream can seek."""
        if self._written_bytes % 2:
            self._stream.write(b"\0")
        if cues and self._stream.seekable():
            appended = _cue_chunks(cues)
            self._stream.write(appended)
            self._stream.seek(0)
            self._stream.write(self._header(self._written_bytes, len(appended)))

    def _header(self, data_bytes: int | None, appended_bytes: int = 0) -> bytes:
        width = SAMPLE_BYTES[self._subtype]
        frame_bytes = self._channels * width
        is_float = self._subtype in FLOATS
        shape = struct.pack(
            "<HHIIHH",
            3 if is_float else 1,
            self._channels,
            self._sample_rate_hz,
            self._sample_rate_hz * frame_bytes,
            frame_bytes,
            8 * width,
        )
        samples = (data_bytes or 0) // frame_bytes
        chunks = _chunk(b"fmt ", shape + (b"\0\0" if is_float else b""))
        if is_float:
            chunks += _chunk(b"fact", struct.pack("<I", min(samples, _UNKNOWN)))
        chunks += self._info
        # RIFF's 12 bytes less the 8 that its size excludes; 36 of JUNK or ds64; 8 of data.
        riff_bytes = 4 + 36 + len(chunks) + 8 + (data_bytes or 0) + (data_bytes or 0) % 2
        riff_bytes += appended_bytes
        if data_bytes is None or riff_bytes >= _UNKNOWN:
            name = b"RIFF" if data_bytes is None else b"RF64"
            sizes = (_UNKNOWN, _UNKNOWN)
        else:
            name, sizes = b"RIFF", (riff_bytes, data_bytes)
        ds64 = struct.pack("<QQQI", riff_bytes, data_bytes or 0, samples, 0)
        # JUNK is as long as ds64, so that the header's length does not depend on the audio's.
        room = _chunk(b"ds64", ds64) if name == b"RF64" else _chunk(b"JUNK", bytes(len(ds64)))
        head = name + struct.pack("<I", sizes[0]) + b"WAVE" + room
        return head + chunks + b"data" + struct.pack("<I", sizes[1])


@dataclass(frozen=True)
class WavFacts:
    """Facts from the chunks of a WAV file.

    Attributes:
        tags: INFO chunks by four-letter name.
        missing_bytes: bytes of audio that the header claims and the file lacks.
        surplus_bytes: bytes behind all that the header claims that begin no chunk.
        patches: bytes by position that make sizes of 0, as a killed recorder leaves them, sizes
            that are not known, so that the audio is read to the end of the file.
    """

    tags: Mapping[str, str]
    missing_bytes: int
    surplus_bytes: int = 0
    patches: Mapping[int, bytes] = field(default_factory=dict)


def read_facts(path: Path | str) -> WavFacts | None:
    """Reads the chunks of a WAV or RF64 file, but not its audio; None for other files."""
    tags: dict[str, str] = {}
    missing_bytes, surplus_bytes, patches = 0, 0, {}
    with open(path, "rb") as stream:
        if stream.read(4) not in (b"RIFF", b"RF64") or stream.read(8)[4:] != b"WAVE":
            return None
        for name, size in _chunks(stream):
            start = stream.tell()
            if name == b"LIST" and size <= _LONGEST_TAGS:
                tags.update(_info_tags(stream.read(size)))
            elif name == b"data" and not size and not _begins_chunk(stream):
                patches = _without_sizes(stream, start)
                break
            elif name == b"data":
                missing_bytes = max(0, size - _bytes_left(stream))
                stream.seek(start + size + size % 2)
                if not _begins_chunk(stream):
                    surplus_bytes = max(0, _bytes_left(stream))
                    break
    return WavFacts(tags, missing_bytes, surplus_bytes, patches)


def _begins_chunk(stream: BinaryIO) -> bool:
    """Whether a chunk that fits in the file begins here, or the file ends; moves nowhere."""
    start = stream.tell()
    head = stream.read(8)
    left = _bytes_left(stream)
    stream.seek(start)
    if len(head) < 8:
        return not head.strip(b"\0")
    name, size = struct.unpack("<4sI", head)
    return all(32 <= letter < 127 for letter in name) and 0 <= size <= left


def _without_sizes(stream: BinaryIO, data_start: int) -> dict[int, bytes]:
    """Returns the patches that make the sizes in a header unknown; none without audio."""
    if _bytes_left(stream) <= 0:
        return {}
    unknown = struct.pack("<I", _UNKNOWN)
    patches = {0: b"RIFF", 4: unknown, data_start - 4: unknown}
    stream.seek(12)
    for name, _ in _chunks(stream):
        if name == b"ds64":
            patches[stream.tell() - 8] = b"JUNK"
        if stream.tell() >= data_start:
            break
    return patches


def _chunks(stream: BinaryIO) -> Iterator[tuple[bytes, int]]:
    data_bytes = None
    while len(head := stream.read(8)) == 8:
        name, size = struct.unpack("<4sI", head)
        start = stream.tell()
        if name == b"ds64" and len(sizes := stream.read(16)) == 16:
            data_bytes = struct.unpack("<8xQ", sizes)[0]
            stream.seek(start)
        if name == b"data" and size == _UNKNOWN and data_bytes is not None:
            size = data_bytes
        elif name == b"data" and size >= _CLAIMS_A_LOT:
            size = min(size, _bytes_left(stream))
        yield name, size
        stream.seek(start + size + size % 2)


def _bytes_left(stream: BinaryIO) -> int:
    return os.fstat(stream.fileno()).st_size - stream.tell()


def _encoded(block: np.ndarray, subtype: str) -> bytes:
    width = SAMPLE_BYTES[subtype]
    if subtype in FLOATS:
        return block.astype(f"<f{width}").tobytes()
    full_scale = 1 << (8 * width - 1)
    # float64: float32 cannot represent all values of 24 bits and a sign.
    scaled = np.rint(block.astype(np.float64) * full_scale)
    whole = np.minimum(scaled, full_scale - 1).astype("<i4")
    if subtype == "PCM_U8":
        whole += full_scale  # WAV has 8 bits without a sign
    return whole.reshape(-1, 1).view(np.uint8)[:, :width].tobytes()


def _info_chunk(tags: Mapping[str, str]) -> bytes:
    if not tags:
        return b""
    entries = (_chunk(name.encode(), text.encode() + b"\0") for name, text in tags.items())
    return _chunk(b"LIST", b"INFO" + b"".join(entries))


def _cue_chunks(cues: Sequence[Cue]) -> bytes:
    # A cue point has 32 bits for its place.
    numbered = list(enumerate((cue for cue in cues if cue.sample <= _UNKNOWN), start=1))
    points = b"".join(
        struct.pack("<II4sIII", number, cue.sample, b"data", 0, 0, cue.sample)
        for number, cue in numbered
    )
    labels = b"".join(
        _chunk(b"labl", struct.pack("<I", number) + cue.label.encode() + b"\0")
        for number, cue in numbered
    )
    listed = _chunk(b"cue ", struct.pack("<I", len(numbered)) + points)
    return listed + _chunk(b"LIST", b"adtl" + labels)


def _info_tags(body: bytes) -> dict[str, str]:
    tags: dict[str, str] = {}
    if body[:4] != b"INFO":
        return tags
    at = 4
    while at + 8 <= len(body):
        name, size = struct.unpack_from("<4sI", body, at)
        text = body[at + 8 : at + 8 + size].split(b"\0")[0]
        tags[name.decode("ascii", "replace")] = text.decode("utf-8", "replace")
        at += 8 + size + size % 2
    return tags


def _chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)
