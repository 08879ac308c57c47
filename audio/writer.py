"""Audio files and pipes: the music is written while it is made, and appears whole or not at all."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np

from soundstage.audio.provenance import Provenance
from soundstage.audio.standard_output import Pipe, ReaderGone, standard_output
from soundstage.audio.wav import ENCODINGS, SAMPLE_BYTES, Encoding, WavEncoder
from soundstage.errors import OutputError, StageError
from soundstage.files import check_opens, replacing, reporting

EXTENSIONS = (".wav", ".flac", ".ogg", ".mp3")
STANDARD_OUTPUT = "-"


class AudioEncoding(Protocol):
    """Turns samples into bytes of one format."""

    def write(self, block: np.ndarray) -> None:
        """Appends float32 [sample, channel]."""
        ...

    def close(self) -> None:
        """Completes the bytes; the stream stays open."""
        ...


class AudioWriter:
    """Writes audio as it comes. Made by `open_writer`.

    Attributes:
        name: where the audio goes, for people.
        samples: samples per channel written so far.
        clipped_samples: samples, over all channels, that were beyond full scale and cut to it.
    """

    def __init__(
        self, name: str, encoder: AudioEncoding, channels: int, encoding: Encoding
    ) -> None:
        self.name = name
        self.samples = 0
        self.clipped_samples = 0
        self._encoder = encoder
        self._channels = channels
        self._clips = encoding != "float32"

    def write(self, block: np.ndarray) -> None:
        """Appends one block.

        Args:
            block: float32 [sample, channel], 1.0 = full scale; any length.

        Raises:
            TypeError: the block has another dtype or shape.
            StageError: a sample is not finite.
            OutputError: the disk is full or gone.
        """
        if block.dtype != np.float32 or block.ndim != 2 or block.shape[1] != self._channels:
            raise TypeError(
                f"block must be float32 [sample, channel={self._channels}], got {block.dtype} "
                f"{list(block.shape)}"
            )
        if not np.isfinite(block).all():
            first = int((~np.isfinite(block)).any(axis=1).argmax())
            raise StageError(
                f"{self.name}: sample {self.samples + first} is not a finite number: "
                "nothing is written; try a lower temperature, or check the weights"
            )
        if self._clips:
            self.clipped_samples += int(np.count_nonzero(np.abs(block) > 1.0))
            block = np.clip(block, -1.0, 1.0)
        with reporting(self.name):
            self._encoder.write(block)
        self.samples += len(block)


def check_writer(
    path: Path | str, sample_rate_hz: int, channels: int, total_samples: int | None = None
) -> None:
    """Finds out now whether `open_writer` will work; leaves everything as it is.

    Raises:
        OutputError: as `open_writer`.
    """
    if str(path) == STANDARD_OUTPUT:
        # Its header would go out.
        check_opens(standard_output())
    else:
        check_opens(open_writer(path, sample_rate_hz, channels, total_samples=total_samples))


@contextmanager
def open_writer(
    path: Path | str,
    sample_rate_hz: int,
    channels: int,
    provenance: Provenance | None = None,
    total_samples: int | None = None,
    encoding: Encoding | None = None,
) -> Iterator[AudioWriter]:
    """Opens `path` for audio, before any is made, so that what cannot work fails at once.

    The file appears under its name when the block ends; if the block raises, nothing is left and
    an older file of that name is untouched. "-" streams WAV to standard output; when its reader
    goes away, the block ends early and quietly, like `head` ends a pipe.

    Args:
        path: a .wav, .flac, .ogg or .mp3 file, or "-".
        sample_rate_hz: samples per second and channel.
        channels: audio channels.
        provenance: written into the tags: title, software, and the whole record as the comment.
        total_samples: samples per channel to come, if known; makes a pipe's header right.
        encoding: "pcm16" (the default), "pcm24" or "float32" for .wav and "-"; the first two for
            .flac.

    Yields:
        The writer.

    Raises:
        OutputError: an unknown extension or encoding, a place that cannot be written to, a disk
            without room for a WAV of `total_samples`, or a terminal instead of a pipe.
    """
    piped = str(path) == STANDARD_OUTPUT
    name, suffix = ("standard output", ".wav") if piped else (str(path), _suffix(path))
    chosen = _encoding(name, suffix, encoding)
    tags = _tags(provenance)
    encoder: AudioEncoding
    if piped:
        with standard_output() as pipe:
            encoder = _wav_pipe(pipe, sample_rate_hz, channels, chosen, tags, total_samples)
            with _completed(name, encoder):
                yield AudioWriter(name, encoder, channels, chosen)
        return
    is_wav = suffix == ".wav"
    expected_bytes = (total_samples or 0) * channels * SAMPLE_BYTES[chosen] if is_wav else 0
    with replacing(path, expected_bytes) as stream:
        with reporting(name):
            if is_wav:
                encoder = WavEncoder(
                    stream, sample_rate_hz, channels, chosen, _info(tags), total_samples
                )
            else:
                encoder = _compressed(stream, suffix, sample_rate_hz, channels, chosen, tags)
        with _completed(name, encoder):
            yield AudioWriter(name, encoder, channels, chosen)


def _wav_pipe(
    pipe: Pipe,
    sample_rate_hz: int,
    channels: int,
    encoding: Encoding,
    tags: Mapping[str, str],
    total_samples: int | None,
) -> AudioEncoding:
    try:
        with reporting("standard output"):
            return WavEncoder(pipe, sample_rate_hz, channels, encoding, _info(tags), total_samples)
    except ReaderGone as error:
        raise OutputError("standard output: nobody reads it: start the reader first") from error


def _compressed(
    stream: BinaryIO,
    suffix: str,
    sample_rate_hz: int,
    channels: int,
    encoding: Encoding,
    tags: Mapping[str, str],
) -> AudioEncoding:
    from soundstage.audio.compressed import CompressedEncoder  # late: WAV needs no libsndfile

    return CompressedEncoder(stream, suffix, sample_rate_hz, channels, encoding, tags)


@contextmanager
def _completed(name: str, encoder: AudioEncoding) -> Iterator[None]:
    try:
        yield
    except BaseException:
        # The encoder must let go of the file, but the first fault is the one to tell.
        with suppress(OSError, ReaderGone):
            encoder.close()
        raise
    with reporting(name):
        encoder.close()


def _suffix(path: Path | str) -> str:
    suffix = Path(path).suffix.lower()
    if suffix not in EXTENSIONS:
        known = ", ".join(EXTENSIONS)
        raise OutputError(f"{path}: the name must end in one of {known}, or be - for a pipe")
    return suffix


def _encoding(name: str, suffix: str, encoding: Encoding | None) -> Encoding:
    known = {".wav": ENCODINGS, ".flac": ENCODINGS[:2]}.get(suffix, ())
    if encoding is not None and encoding not in known:
        choice = "choose " + " or ".join(known) if known else "leave it out"
        raise OutputError(f"{name}: encoding {encoding!r} does not fit {suffix}: {choice}")
    return encoding or "pcm16"


def _tags(provenance: Provenance | None) -> dict[str, str]:
    if provenance is None:
        return {}
    return {
        "title": provenance.title,
        "software": provenance.software,
        "comment": provenance.to_json(),
    }


def _info(tags: Mapping[str, str]) -> dict[str, str]:
    names = {"title": "INAM", "software": "ISFT", "comment": "ICMT"}
    return {names[name]: text for name, text in tags.items()}
