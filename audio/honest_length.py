"""Files whose headers state no length or a wrong one, made readable to their ends.

A recorder that is killed leaves sizes of 0 in a WAV file, and a program that writes to a pipe knows
none. An MP3 of variable bit rate without an index states no length at all: decoders then guess one
from the first frame. Nothing here decodes.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from typing_extensions import Buffer

# Samples that a header claims if it does not know: FLAC's 0 becomes about 2**63.
UNKNOWN_SAMPLES = 2**40
# How much longer than it is an MP3 file claims to be, so that a guess is never too short. Bit rates
# of one file differ by a factor of 40 at most.
_STRETCH = 64
# MP3 decoders look for a tag at the end of the file; a file that is stretched has zeros there.
_TAG_BYTES = 4096
# The index of an MP3 lies in so many bytes of its first frame.
_INDEX_BYTES = 200
# Bytes of tags at the end of an MP3, without a picture.
_LONGEST_TAG = 65_536


class PatchedFile(io.RawIOBase):
    """A file that reads as if some of its bytes were others, and as if it were longer.

    Args:
        stream: the file; it is closed with this one.
        patches: new bytes by position.
        stretch: how many times its length the file claims to have. Nothing can be read there, but
            for zeros at the very end.
    """

    def __init__(
        self, stream: BinaryIO, patches: Mapping[int, bytes] | None = None, stretch: int = 1
    ) -> None:
        super().__init__()
        self._stream, self._patches = stream, dict(patches or {})
        self._bytes = stretch * os.fstat(stream.fileno()).st_size
        self._at = 0

    def seekable(self) -> bool:
        """Returns True."""
        return True

    def readable(self) -> bool:
        """Returns True."""
        return True

    def tell(self) -> int:
        """Returns the position."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Moves to a position, counted from the start, the present one or the end."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._bytes}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, buffer: Buffer, /) -> int:
        """Reads into a buffer; returns the number of bytes."""
        with memoryview(buffer) as view, view.cast("B") as data:
            self._stream.seek(self._at)
            part = self._stream.read(len(data))
            if not part and self._at >= self._bytes - _TAG_BYTES:
                part = bytes(min(len(data), self._bytes - self._at))
            read = len(part)
            data[:read] = part
            for position, patch in self._patches.items():
                for index, byte in enumerate(patch, position - self._at):
                    if 0 <= index < read:
                        data[index] = byte
        self._at += read
        return read

    def close(self) -> None:
        """Closes the file."""
        self._stream.close()
        super().close()


def stretched(path: Path) -> PatchedFile:
    """Opens an MP3 as a much longer file, and without its index if that is wrong."""
    return PatchedFile(path.open("rb"), _wrong_index(path), _STRETCH)


def _wrong_index(path: Path) -> dict[int, bytes]:
    """Returns the patch that hides an MP3's index, if that is of far fewer bytes than the file.

    Such is a file that is joined of several. The index is in the first frame: "Xing" or "Info",
    flags, and the numbers of frames and of bytes if flags 1 and 2 are set.
    """
    with path.open("rb") as stream:
        head = stream.read(10)
        start = 0
        if head[:3] == b"ID3" and len(head) == 10:
            # Seven bits a byte.
            start = 10 + sum(part << 7 * power for power, part in enumerate(reversed(head[6:])))
        stream.seek(start)
        frame = stream.read(_INDEX_BYTES)
        at = max(frame.find(b"Xing"), frame.find(b"Info"))
        if at < 0 or len(frame) < at + 16:
            return {}
        flags, _, claimed = struct.unpack_from(">III", frame, at + 4)
        left = os.fstat(stream.fileno()).st_size - start
    surplus = left - claimed
    is_wrong = flags & 3 == 3 and claimed and surplus > max(_LONGEST_TAG, claimed // 10)
    return {start + at: bytes(4)} if is_wrong else {}


def flac_length(path: Path) -> tuple[int, dict[int, bytes]] | None:
    """Returns the samples that a FLAC file claims, and the patch that makes them unknown.

    Returns:
        The samples per channel, 0 = unknown, and bytes by position; None = the file does not begin
        as FLAC.
    """
    with path.open("rb") as stream:
        head = stream.read(26)
    if len(head) < 26 or head[:4] != b"fLaC":
        return None
    claimed = ((head[21] & 0x0F) << 32) | int.from_bytes(head[22:26], "big")
    return claimed, {21: bytes([head[21] & 0xF0]) + bytes(4)}


def missing_bytes(path: Path) -> int:
    """Returns how many bytes an AIFF, AU, CAF or Wave64 file lacks, by its header; 0 = none.

    WAV is `audio.wav`'s.
    """
    with path.open("rb") as stream:
        head = stream.read(24)
        size = os.fstat(stream.fileno()).st_size
        return max(0, _claimed_bytes(head, stream) - size)


def _claimed_bytes(head: bytes, stream: BinaryIO) -> int:
    """Returns the length of a file by its header; 0 = it states none, or is of another kind."""
    if len(head) < 24:
        return 0
    if head[:4] == b"FORM":
        claimed = int.from_bytes(head[4:8], "big")
        return 8 + claimed if 0 < claimed < 0xFFFFFFFF else 0
    if head[:4] == b".snd":
        offset, claimed = struct.unpack(">II", head[4:12])
        return offset + claimed if 0 < claimed < 0xFFFFFFFF else 0
    if head[:4] == b"riff":
        claimed = int.from_bytes(head[16:24], "little")
        return claimed if claimed < 2**63 else 0
    if head[:4] == b"caff":
        stream.seek(8)
        while len(chunk := stream.read(12)) == 12:
            name, length = struct.unpack(">4sq", chunk)
            if name == b"data":
                return stream.tell() + length if length > 0 else 0
            stream.seek(max(0, length), io.SEEK_CUR)
    return 0
