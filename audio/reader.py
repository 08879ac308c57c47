"""Decodes audio files block by block; refuses files that are damaged or cut short."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from soundstage.audio import wav
from soundstage.errors import InputError

LOWEST_RATE_HZ = 1_000
HIGHEST_RATE_HZ = 768_000
BLOCK_VALUES = 1 << 18  # 1 MiB of float32, over all channels

_LONGEST_OGG_PAGE = 65_307
# Samples, two frames of MP3: without an index, an MP3's length is an estimate.
_MP3_SLACK = 2 * 1152


class _OneWay(soundfile.SoundFile):
    """A decoder that never seeks.

    After every read of a seekable file, soundfile seeks to the current position; in an MP3 of
    variable bit rate, this seek ends at another position, and the audio jumps.
    """

    def seekable(self) -> bool:
        return False


@dataclass(frozen=True)
class AudioFile:
    """An open audio file.

    Attributes:
        path: the file.
        container: libsndfile's name of the format: "WAV", "FLAC", "OGG", "MP3", ...
        encoding: libsndfile's name of the encoding: "PCM_16", "VORBIS", ...
        sample_rate_hz: samples per second and channel.
        channels: audio channels.
        samples: samples per channel, according to the header.
        comment: the comment tag, or "".
    """

    path: Path
    container: str
    encoding: str
    sample_rate_hz: int
    channels: int
    samples: int
    comment: str
    _decoder: _OneWay

    @property
    def seconds(self) -> float:
        """The duration according to the header."""
        return self.samples / self.sample_rate_hz

    def blocks(self, block_samples: int | None = None) -> Iterator[np.ndarray]:
        """Decodes the file from start to end; can be called once.

        Args:
            block_samples: samples per channel in a block; None = about 1 MB.

        Yields:
            float32 [sample, channel], 1.0 = full scale; only the last block may be shorter.

        Raises:
            InputError: the file is damaged, or shorter than its header claims.
        """
        size = block_samples or max(1, BLOCK_VALUES // self.channels)
        decoded = 0
        while True:
            try:
                block = self._decoder.read(size, dtype="float32", always_2d=True)
            except soundfile.LibsndfileError as error:
                at = decoded / self.sample_rate_hz
                raise InputError(f"{self.path}: damaged or cut short {at:.1f} s in") from error
            decoded += len(block)
            if len(block):
                yield block
            if len(block) < size:
                break
        if decoded < self.samples - (_MP3_SLACK if self.container == "MP3" else 0):
            raise InputError(
                f"{self.path}: cut short: it claims {self.seconds:.1f} s and holds "
                f"{decoded / self.sample_rate_hz:.1f} s"
            )


@contextmanager
def open_audio(path: Path | str) -> Iterator[AudioFile]:
    """Opens any format that libsndfile reads, at any channel count.

    Raises:
        InputError: the path is missing, a folder or not an ordinary file, or the file is
            unreadable, empty, not audio, cut short, or of a sample rate outside 1 kHz to 768 kHz.
    """
    path = Path(path)
    _refuse_unreadable(path)
    with _quiet_mp3(path):
        try:
            decoder = _OneWay(path)
        except soundfile.LibsndfileError as error:
            raise InputError(
                f"{path}: not an audio file that can be read: use WAV, FLAC, Ogg or MP3"
            ) from error
        with decoder:
            facts = wav.read_facts(path)
            _refuse_cut(path, decoder.format, facts)
            if not LOWEST_RATE_HZ <= decoder.samplerate <= HIGHEST_RATE_HZ:
                raise InputError(
                    f"{path}: its sample rate, {decoder.samplerate} Hz, is outside "
                    f"{LOWEST_RATE_HZ} to {HIGHEST_RATE_HZ} Hz: resample it"
                )
            if decoder.frames == 0:
                raise InputError(f"{path}: has no audio: its length is 0")
            yield AudioFile(
                path,
                decoder.format,
                decoder.subtype,
                decoder.samplerate,
                decoder.channels,
                decoder.frames,
                facts.tags.get("ICMT", "") if facts else decoder.comment,
                decoder,
            )


def _refuse_unreadable(path: Path) -> None:
    if path.is_dir():
        raise InputError(f"{path}: is a folder: give an audio file")
    try:
        if path.exists() and not path.is_file():
            raise InputError(f"{path}: is not an ordinary file: save the audio to a file first")
        with path.open("rb") as stream:
            if not stream.read(1):
                raise InputError(f"{path}: is empty")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"{str(path)!r}: is not a file name") from error
    if path.suffix.lower() == ".raw":
        raise InputError(f"{path}: raw audio has no header with its sample rate: convert it to WAV")


def _refuse_cut(path: Path, container: str, facts: wav.WavFacts | None) -> None:
    if facts is not None and facts.missing_bytes:
        raise InputError(f"{path}: cut short: {facts.missing_bytes} bytes of its audio are missing")
    if container == "OGG" and not _ends_with_last_page(path):
        raise InputError(f"{path}: cut short: its last Ogg page is missing")


def _ends_with_last_page(path: Path) -> bool:
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - _LONGEST_OGG_PAGE))
        tail = stream.read()
    # A page: name, version, flags (4 = last), 20 more bytes, number of sizes, sizes, data.
    page = tail[tail.rfind(b"OggS") :]
    if len(page) < 27 or not page[5] & 4:
        return False
    sizes = page[27 : 27 + page[26]]
    return len(page) >= 27 + page[26] + sum(sizes)


@contextmanager
def _quiet_mp3(path: Path) -> Iterator[None]:
    """Silences libmpg123, which writes warnings to the process's stderr."""
    with path.open("rb") as stream:
        head = stream.read(3)
    if not (path.suffix.lower() == ".mp3" or head == b"ID3" or head[:1] == b"\xff"):
        yield
        return
    stderr = os.dup(2)
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 2)
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(null)
