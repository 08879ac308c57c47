"""Writes audio files and pipes block by block; a file gets its name when it is complete."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np

from soundstage.audio.provenance import Provenance
from soundstage.audio.standard_output import Pipe, ReaderGone, standard_output
from soundstage.audio.wav import FLOATS, SAMPLE_BYTES, Cue, WavEncoder
from soundstage.errors import OutputError, StageError
from soundstage.files import GrowingFile, check_opens, growing, reporting
from soundstage.interrupts import at_stop

# The subtypes of each format, by their names in libsndfile; the first is the default.
SUBTYPES: Mapping[str, tuple[str, ...]] = {
    ".wav": tuple(SAMPLE_BYTES),
    ".flac": ("PCM_16", "PCM_24", "PCM_S8"),
    ".ogg": ("VORBIS", "OPUS"),
    ".mp3": ("MPEG_LAYER_III",),
}
STANDARD_OUTPUT = "-"


class AudioEncoding(Protocol):
    """An encoder of samples to the bytes of one format."""

    def write(self, block: np.ndarray) -> None:
        """Appends float32 [sample, channel]."""
        ...

    def close(self, cues: Sequence[Cue] = ()) -> None:
        """Writes the end of the file, with cue points if the format has any; closes no stream."""
        ...


class AudioWriter:
    """A writer of audio, from `open_writer`.

    Attributes:
        name: the destination, for people.
        samples: samples per channel written so far.
        clipped_samples: samples, over all channels, that exceeded full scale and were clipped.
        cues: marked places, which a WAV file gets as cue points when it is complete.
    """

    def __init__(
        self,
        name: str,
        encoder: AudioEncoding,
        channels: int,
        subtype: str,
        file: GrowingFile | None = None,
    ) -> None:
        self.name = name
        self.samples = 0
        self.clipped_samples = 0
        self.cues: tuple[Cue, ...] = ()
        self._encoder = encoder
        self._channels = channels
        self._clips = subtype not in FLOATS
        self._file = file

    def write(self, block: np.ndarray) -> None:
        """Appends one block.

        Args:
            block: float32 [sample, channel], 1.0 = full scale; any length.

        Raises:
            TypeError: the block has another dtype or shape.
            StageError: a sample is not finite.
            OutputError: the disk is full or removed.
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
                "no file is written; try a lower temperature, or check the weights"
            )
        if self._clips:
            self.clipped_samples += int(np.count_nonzero(np.abs(block) > 1.0))
            block = np.clip(block, -1.0, 1.0)
        with reporting(self.name):
            self._encoder.write(block)
        self.samples += len(block)

    def sync(self) -> None:
        """Puts what was written on the disk; does nothing for a pipe.

        Raises:
            OutputError: the disk is full or removed.
        """
        if self._file is not None:
            with reporting(self.name):
                self._file.sync()


def check_writer(
    path: Path | str,
    sample_rate_hz: int,
    channels: int,
    total_samples: int | None = None,
    subtype: str | None = None,
) -> None:
    """Checks that `open_writer` can open `path`, and leaves everything unchanged.

    Raises:
        OutputError: as `open_writer`.
    """
    if str(path) == STANDARD_OUTPUT:
        find_subtype("standard output", ".wav", subtype)
        # `open_writer` would send a header.
        check_opens(standard_output())
        return
    check_opens(
        open_writer(path, sample_rate_hz, channels, total_samples=total_samples, subtype=subtype)
    )


@contextmanager
def open_writer(
    path: Path | str,
    sample_rate_hz: int,
    channels: int,
    provenance: Provenance | None = None,
    total_samples: int | None = None,
    subtype: str | None = None,
    keep: Callable[[str], object] | None = None,
) -> Iterator[AudioWriter]:
    """Opens `path` for audio, and checks that it can be written before any audio is made.

    The file appears when the block ends. Until then it grows beside its place as
    `NAME.partial.EXT`, which can be read at any time. If the block raises, an older file is left
    unchanged. "-" streams WAV to standard output; if its reader closes it, the block ends early and
    without an error.

    Args:
        path: a .wav, .flac, .ogg or .mp3 file, or "-".
        sample_rate_hz: samples per second and channel.
        channels: audio channels.
        provenance: the record for the tags: title, software, and all of it as the comment.
        total_samples: samples per channel, for the header of a pipe and for a check of the disk;
            None = unknown.
        subtype: how samples are stored, one of `SUBTYPES` in any case; None = the format's
            default: 16 bits, Vorbis or MP3.
        keep: keeps the unfinished file if the block raises, or a signal ends the process; called
            with a line about it. None = the unfinished file is removed.

    Yields:
        The writer.

    Raises:
        OutputError: the extension or subtype is unknown, the path cannot be written to, the disk
            has no room for a WAV of `total_samples`, or standard output is a terminal.
    """
    is_pipe = str(path) == STANDARD_OUTPUT
    name, suffix = ("standard output", ".wav") if is_pipe else (str(path), _suffix(path))
    chosen = find_subtype(name, suffix, subtype)
    tags = _tags(provenance)
    encoder: AudioEncoding
    if is_pipe:
        with standard_output() as pipe:
            encoder = _wav_pipe(pipe, sample_rate_hz, channels, chosen, tags, total_samples)
            with _completed(name, encoder):
                yield AudioWriter(name, encoder, channels, chosen)
        return
    is_wav = suffix == ".wav"
    expected_bytes = (total_samples or 0) * channels * SAMPLE_BYTES[chosen] if is_wav else 0
    with growing(path, expected_bytes, keep=keep is not None) as file:
        with reporting(name):
            if is_wav:
                encoder = WavEncoder(file, sample_rate_hz, channels, chosen, _info(tags), 0)
            else:
                encoder = _compressed(file, suffix, sample_rate_hz, channels, chosen, tags)
        writer = AudioWriter(name, encoder, channels, chosen, file)
        unfinished = _Unfinished(writer, encoder, file, sample_rate_hz, keep)
        with at_stop(unfinished.settle):
            try:
                yield writer
                with reporting(name):
                    encoder.close(writer.cues)
            except BaseException:
                unfinished.settle()
                raise


@dataclass(frozen=True)
class _Unfinished:
    """A file that will not become complete; see `open_writer` for `keep`."""

    writer: AudioWriter
    encoder: AudioEncoding
    file: GrowingFile
    sample_rate_hz: int
    keep: Callable[[str], object] | None

    def settle(self) -> None:
        """Ends the file as it is, and keeps or removes it."""
        # The encoder must close its file, but the first exception is the one to raise.
        with suppress(OSError):
            self.encoder.close()
        if self.keep is None or not self.writer.samples:
            self.file.path.unlink(missing_ok=True)
            return
        seconds = self.writer.samples / self.sample_rate_hz
        self.keep(f"{self.file.path}: has the first {seconds:.1f} s, made before the end")


def _wav_pipe(
    pipe: Pipe,
    sample_rate_hz: int,
    channels: int,
    subtype: str,
    tags: Mapping[str, str],
    total_samples: int | None,
) -> AudioEncoding:
    try:
        with reporting("standard output"):
            return WavEncoder(pipe, sample_rate_hz, channels, subtype, _info(tags), total_samples)
    except ReaderGone as error:
        raise OutputError("standard output has no reader: start the reader first") from error


def _compressed(
    stream: BinaryIO,
    suffix: str,
    sample_rate_hz: int,
    channels: int,
    subtype: str,
    tags: Mapping[str, str],
) -> AudioEncoding:
    from soundstage.audio.compressed import CompressedEncoder  # late: WAV needs no libsndfile

    return CompressedEncoder(stream, suffix, sample_rate_hz, channels, subtype, tags)


@contextmanager
def _completed(name: str, encoder: AudioEncoding) -> Iterator[None]:
    try:
        yield
    except BaseException:
        # The encoder must close its file, but the first exception is the one to raise.
        with suppress(OSError, ReaderGone):
            encoder.close()
        raise
    with reporting(name):
        encoder.close()


def _suffix(path: Path | str) -> str:
    suffix = Path(path).suffix.lower()
    if suffix not in SUBTYPES:
        known = ", ".join(SUBTYPES)
        raise OutputError(f"{path}: the name must end in one of {known}, or be - for a pipe")
    return suffix


def find_subtype(name: str, suffix: str, subtype: str | None) -> str:
    """Returns the subtype of a format that a user means.

    Args:
        name: the destination, for errors.
        suffix: one of `SUBTYPES`.
        subtype: its name in any case; None = the format's default.

    Raises:
        OutputError: the format has no such subtype.
    """
    known = SUBTYPES[suffix]
    if subtype is None:
        return known[0]
    if subtype.upper() not in known:
        raise OutputError(
            f"{name}: subtype {subtype!r} does not fit {suffix}: choose {' or '.join(known)}"
        )
    return subtype.upper()


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
