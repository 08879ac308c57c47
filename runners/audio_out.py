"""Audio files and pipes: the music is written while it is made, and appears whole or not at all."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np

from runners.errors import OutputError, StageError
from runners.files import replacing, reporting
from runners.id3 import id3_tag
from runners.provenance import Provenance
from runners.riff import ENCODINGS, SAMPLE_BYTES, Encoding, WavEncoder

EXTENSIONS = (".wav", ".flac", ".ogg", ".mp3")
STANDARD_OUTPUT = "-"

_BLOCK_SAMPLES = 65_536  # libsndfile's Vorbis encoder keeps a whole block on the stack


class Encoder(Protocol):
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

    def __init__(self, name: str, encoder: Encoder, channels: int, clips: bool) -> None:
        self.name = name
        self.samples = 0
        self.clipped_samples = 0
        self._encoder = encoder
        self._channels = channels
        self._clips = clips

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
        try:
            self._encoder.write(block)
        except BrokenPipeError as error:
            raise _ReaderGone from error
        except OSError as error:
            raise OutputError(f"{self.name}: cannot be written: {error.strerror}") from error
        self.samples += len(block)


class _ReaderGone(Exception):
    """Whoever read our pipe has closed it."""


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
    name = "standard output" if str(path) == STANDARD_OUTPUT else str(path)
    kind = ".wav" if str(path) == STANDARD_OUTPUT else _kind(path)
    chosen = _encoding(name, kind, encoding)
    expected_bytes = (total_samples or 0) * channels * SAMPLE_BYTES[chosen] if kind == ".wav" else 0
    piped = str(path) == STANDARD_OUTPUT
    with _standard_output() if piped else replacing(path, expected_bytes) as stream:
        encoder: Encoder
        with reporting(name):
            if kind == ".wav":
                tags = _tags(provenance, ("INAM", "ISFT", "ICMT"))
                encoder = WavEncoder(
                    stream, sample_rate_hz, channels, chosen, tags, total_samples, not piped
                )
            else:
                encoder = _LibsndfileEncoder(
                    stream, kind, sample_rate_hz, channels, chosen, provenance
                )
        try:
            yield AudioWriter(name, encoder, channels, clips=chosen != "float32")
        except BaseException:
            with suppress(OSError):
                encoder.close()
            raise
        with reporting(name):
            encoder.close()


def _kind(path: Path | str) -> str:
    suffix = Path(path).suffix.lower()
    if suffix not in EXTENSIONS:
        known = ", ".join(EXTENSIONS)
        raise OutputError(f"{path}: the name must end in one of {known}, or be - for a pipe")
    return suffix


def _encoding(name: str, kind: str, encoding: Encoding | None) -> Encoding:
    known = {".wav": ENCODINGS, ".flac": ENCODINGS[:2]}.get(kind, ())
    if encoding is not None and encoding not in known:
        choice = "one of " + ", ".join(known) if known else "none: leave it out"
        raise OutputError(f"{name}: encoding {encoding!r} does not fit {kind}: choose {choice}")
    return encoding or "pcm16"


def _tags(provenance: Provenance | None, names: tuple[str, str, str]) -> dict[str, str]:
    if provenance is None:
        return {}
    texts = (provenance.title, provenance.software, provenance.to_json())
    return {
        name: text.encode("utf-8", "replace").decode()
        for name, text in zip(names, texts, strict=True)
    }


@contextmanager
def _standard_output() -> Iterator[BinaryIO]:
    if sys.stdout.isatty():
        raise OutputError(
            "standard output is a terminal: send it on with `| player` or `> out.wav`, or give "
            "--output a file name"
        )
    try:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    except (_ReaderGone, BrokenPipeError) as error:
        # What Python still holds for the pipe must go somewhere when it exits.
        with suppress(io.UnsupportedOperation):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, _ReaderGone):
            raise
