"""Decodes audio files block by block; refuses files that are damaged or cut short."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from soundstage.audio import wav
from soundstage.audio.honest_length import (
    UNKNOWN_SAMPLES,
    PatchedFile,
    flac_length,
    missing_bytes,
    stretched,
)
from soundstage.audio.source import HIGHEST_RATE_HZ, LOWEST_RATE_HZ
from soundstage.errors import InputError

BLOCK_VALUES = 1 << 18  # 1 MiB of float32, over all channels

# The share of a WAV file behind all that its header claims; some programs leave remnants there.
MOST_SURPLUS = 0.1

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
    def name(self) -> str:
        """The path, for people."""
        return str(self.path)

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
        if decoded > self.samples + (_MP3_SLACK if self.container == "MP3" else 0):
            raise InputError(
                f"{self.path}: damaged: it claims {self.seconds:.1f} s and holds "
                f"{decoded / self.sample_rate_hz:.1f} s: encode it again"
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
    facts = wav.read_facts(path)
    with _quiet_mp3(path), _decoder(path, facts) as decoder:
        samples = _samples(path, decoder)
        _refuse_cut(path, decoder.format, facts)
        _refuse_surplus(path, decoder, facts)
        if not LOWEST_RATE_HZ <= decoder.samplerate <= HIGHEST_RATE_HZ:
            raise InputError(
                f"{path}: its sample rate, {decoder.samplerate} Hz, is outside "
                f"{LOWEST_RATE_HZ} to {HIGHEST_RATE_HZ} Hz: resample it"
            )
        if samples == 0:
            raise InputError(f"{path}: has no audio: its length is 0")
        yield AudioFile(
            path,
            decoder.format,
            decoder.subtype,
            decoder.samplerate,
            decoder.channels,
            samples,
            facts.tags.get("ICMT", "") if facts else decoder.comment,
            decoder,
        )


@contextmanager
def _decoder(path: Path, facts: wav.WavFacts | None) -> Iterator[_OneWay]:
    """Opens a decoder that reads a file to its end, even if its header states no length."""
    patches = facts.patches if facts is not None else {}
    with ExitStack() as stack:
        try:
            decoder = stack.enter_context(_OneWay(path))
            flac = flac_length(path)
            if patches or flac is not None:
                patches = patches if flac is None else flac[1]
                patched = stack.enter_context(PatchedFile(path.open("rb"), patches))
                decoder = stack.enter_context(_OneWay(patched))
            elif _guesses_length(path, decoder):
                decoder = stack.enter_context(_OneWay(stack.enter_context(stretched(path))))
        except soundfile.LibsndfileError as error:
            raise InputError(
                f"{path}: not an audio file that can be read: use WAV, FLAC, Ogg or MP3; "
                "a program such as ffmpeg converts others (M4A, AAC, WMA): ffmpeg -i IN OUT.wav"
            ) from error
        yield decoder


def _guesses_length(path: Path, decoder: _OneWay) -> bool:
    """Whether the length of an MP3 is a guess by its bytes, since the file has no index."""
    if decoder.format != "MP3":
        return False
    with stretched(path) as stream, _OneWay(stream) as longer:
        return bool(longer.frames != decoder.frames)


def _samples(path: Path, decoder: _OneWay) -> int:
    """Returns the samples per channel; decodes a file that does not state them, to count."""
    if isinstance(decoder.name, PatchedFile) and decoder.format == "MP3":
        return _count(stretched(path))
    flac = flac_length(path)
    claimed = decoder.frames if flac is None else flac[0]
    if (not claimed and flac is not None) or claimed >= UNKNOWN_SAMPLES:
        return _count(path)
    return int(claimed)


def _count(file: Path | PatchedFile) -> int:
    """Decodes a file to its end, and counts; a damaged one is counted up to the damage."""
    count = 0
    with _OneWay(file) as decoder, suppress(soundfile.LibsndfileError):
        size = max(1, BLOCK_VALUES // decoder.channels)
        while samples := len(decoder.read(size, dtype="float32", always_2d=True)):
            count += samples
    return count


def _refuse_unreadable(path: Path) -> None:
    if str(path) == "-" and not path.exists():
        raise InputError("-: standard input cannot be read here: save the audio to a file first")
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
    if missing := missing_bytes(path):
        raise InputError(f"{path}: cut short: {missing} bytes of it are missing")
    if container == "OGG" and not _ends_with_last_page(path):
        raise InputError(f"{path}: cut short: its last Ogg page is missing")


def _refuse_surplus(path: Path, decoder: _OneWay, facts: wav.WavFacts | None) -> None:
    """Refuses a WAV file that goes on behind its audio with what may be audio, too."""
    if facts is None or not decoder.frames or not facts.surplus_bytes:
        return
    share = facts.surplus_bytes / max(1, path.stat().st_size)
    if share > MOST_SURPLUS:
        raise InputError(
            f"{path}: its header claims {decoder.frames / decoder.samplerate:.1f} s, and "
            f"{facts.surplus_bytes} bytes follow: write the header again, such as "
            "`ffmpeg -ignore_length 1 -i in.wav -c copy out.wav`"
        )


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
