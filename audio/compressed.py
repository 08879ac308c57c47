"""FLAC, Ogg Vorbis and MP3, by libsndfile."""

from collections.abc import Callable, Mapping, Sequence
from typing import BinaryIO

import numpy as np
import soundfile

from soundstage.audio.id3 import id3_tag
from soundstage.audio.wav import Cue
from soundstage.errors import OutputError

# libsndfile's Vorbis encoder overruns its stack with larger blocks.
BLOCK_SAMPLES = 65_536

# Where a FLAC file has its facts: behind its name and the head of its first block.
_FLAC_FACTS = range(8, 26)

# 0 is best and largest. Vorbis quality 8 is about 250 kbit/s, as is the MP3 setting.
_SETTINGS: Mapping[str, Mapping[str, float | str]] = {
    ".flac": {},
    ".ogg": {"compression_level": 0.2},
    ".mp3": {"compression_level": 0.2, "bitrate_mode": "CONSTANT"},
}
_FORMATS = {".flac": "FLAC", ".ogg": "OGG", ".mp3": "MP3"}


class CompressedEncoder:
    """Writes audio in one of libsndfile's formats.

    Args:
        stream: a file open for reading and writing; it is not closed here.
        suffix: ".flac", ".ogg" or ".mp3".
        sample_rate_hz: samples per second and channel.
        channels: audio channels.
        subtype: one that libsndfile writes in this format, such as "PCM_24" or "OPUS".
        tags: "title", "software" and "comment", or empty.

    Raises:
        OutputError: the format cannot hold this rate or channel count.
    """

    def __init__(
        self,
        stream: BinaryIO,
        suffix: str,
        sample_rate_hz: int,
        channels: int,
        subtype: str,
        tags: Mapping[str, str],
    ) -> None:
        if suffix == ".mp3" and tags:
            names = {"title": "TIT2", "software": "TSSE", "comment": "COMM"}
            stream.write(id3_tag({names[name]: text for name, text in tags.items()}))
        self._file, self._samples, self._is_flac = _File(stream), 0, suffix == ".flac"
        try:
            self._encoder = soundfile.SoundFile(
                self._file,
                "w",
                sample_rate_hz,
                channels,
                format=_FORMATS[suffix],
                subtype=subtype,
                **_SETTINGS[suffix],
            )
        except soundfile.LibsndfileError as error:
            raise OutputError(
                f"{suffix} cannot hold {channels} channels at {sample_rate_hz} Hz: use .wav"
            ) from error
        if suffix != ".mp3":
            for name, text in tags.items():
                setattr(self._encoder, name, text)

    def write(self, block: np.ndarray) -> None:
        """Appends float32 [sample, channel] within +-1.0.

        Raises:
            OSError: the file cannot take the bytes.
        """
        for start in range(0, len(block), BLOCK_SAMPLES):
            self._encoder.buffer_write(
                np.ascontiguousarray(block[start : start + BLOCK_SAMPLES]), dtype="float32"
            )
            self._file.check()
            self._samples += min(BLOCK_SAMPLES, len(block) - start)
        if self._is_flac:
            self._file.patch(_FLAC_FACTS, self._flac_facts)

    def close(self, cues: Sequence[Cue] = ()) -> None:
        """Writes the end of the file; cue points are left out.

        Raises:
            OSError: the file cannot take the bytes.
        """
        self._encoder.close()
        self._file.check()

    def _flac_facts(self, before: bytes) -> bytes:
        """Returns the facts with the samples of whole FLAC frames, so that players see the length.

        Args:
            before: 4 bytes of block sizes, 6 of frame sizes, then 20 bits of sample rate, 3 of
                channels, 5 of bits, 36 of samples.
        """
        frame_samples = max(1, int.from_bytes(before[2:4], "big"))
        # The encoder may hold back a frame, and what does not fill one.
        whole = max(0, self._samples // frame_samples - 1) * frame_samples
        facts = int.from_bytes(before[10:], "big") >> 36 << 36 | whole
        return before[:10] + facts.to_bytes(8, "big")


class _File:
    """The rest of a file, from its current position; its callbacks for libsndfile never raise."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._origin = stream.tell()
        self._error: OSError | None = None

    def check(self) -> None:
        """Raises the OSError of an earlier callback."""
        if self._error is not None:
            raise self._error

    def write(self, data: bytes) -> int:
        # libsndfile must not see an error; `check` raises it after the call.
        self._attempt(lambda: self._stream.write(data))
        return len(data)

    def patch(self, place: range, change: Callable[[bytes], bytes]) -> None:
        """Changes bytes at the beginning; the position stays.

        Raises:
            OSError: the file cannot take the bytes.
        """
        end = self._stream.tell()
        self._stream.seek(self._origin + place.start)
        changed = change(self._stream.read(len(place)))
        self._stream.seek(self._origin + place.start)
        self._stream.write(changed)
        self._stream.seek(end)

    def read(self, size: int) -> bytes:
        return self._stream.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        start = self._origin if whence == 0 else 0
        self._attempt(lambda: self._stream.seek(start + offset, whence))
        return self.tell()

    def tell(self) -> int:
        return self._stream.tell() - self._origin

    def _attempt(self, action: Callable[[], int]) -> None:
        if self._error is None:
            try:
                action()
            except OSError as error:
                self._error = error
