"""Inspects an audio file: duration, level, silences and provenance."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from soundstage.audio.provenance import Provenance, from_comment
from soundstage.audio.reader import BLOCK_VALUES, AudioFile, open_audio

SILENCE_DBFS = -60.0
SHORTEST_SILENCE_S = 0.5

_WINDOWS_PER_S = 20
# The largest value of 16-bit audio: a sample that reaches it was probably clipped.
_FULL_SCALE = 1.0 - 2.0**-15


@dataclass(frozen=True)
class Inspection:
    """The facts of one audio file.

    Attributes:
        name: the file's name.
        container: "WAV", "FLAC", "OGG", "MP3", ...
        encoding: "PCM_16", "VORBIS", ...
        seconds: duration.
        sample_rate_hz: samples per second and channel.
        channels: audio channels.
        peak_dbfs: level of the largest sample; -inf for digital silence.
        rms_dbfs: root mean square over all channels; 0 dBFS = a square wave at full scale.
        clipped_samples: samples, over all channels, at or beyond full scale.
        bad_samples: samples, over all channels, that are not finite numbers.
        silences: (start, end) in seconds of stretches of at least 0.5 s below -60 dBFS.
        provenance: the record of soundstage in the file's tags, or None.
        provenance_fault: why the record cannot be read, or "".
    """

    name: str
    container: str
    encoding: str
    seconds: float
    sample_rate_hz: int
    channels: int
    peak_dbfs: float
    rms_dbfs: float
    clipped_samples: int
    bad_samples: int
    silences: tuple[tuple[float, float], ...]
    provenance: Provenance | None
    provenance_fault: str = ""

    def lines(self) -> list[str]:
        """Returns the facts for people, one a line."""
        channels = {1: "mono", 2: "stereo"}.get(self.channels, f"{self.channels} channels")
        facts = [
            f"{self.name}",
            f"format      {self.container} {self.encoding}, {self.sample_rate_hz} Hz, {channels}",
            f"duration    {self.seconds:.2f} s",
            f"level       peak {self.peak_dbfs:.1f} dBFS, RMS {self.rms_dbfs:.1f} dBFS",
        ]
        if self.clipped_samples:
            facts.append(f"clipped     {self.clipped_samples} samples at full scale")
        if self.bad_samples:
            facts.append(f"damaged     {self.bad_samples} samples are not finite numbers")
        facts += [f"silent      {start:.2f} s to {end:.2f} s" for start, end in self.silences[:10]]
        if len(self.silences) > 10:
            facts.append(f"silent      {len(self.silences) - 10} more stretches")
        if self.provenance is not None:
            facts += self.provenance.lines()
        else:
            facts.append(f"made by     {self.provenance_fault or 'no record of what made it'}")
        return facts


class _Meter:
    """Accumulates levels, block by block."""

    def __init__(self) -> None:
        self.peak = 0.0
        self.energy = 0.0
        self.values = 0
        self.clipped = 0
        self.bad = 0
        self.quiet: list[np.ndarray] = []  # one bool a window

    def add(self, block: np.ndarray, window: int) -> None:
        """Adds float32 [sample, channel], a whole number of windows except at the end."""
        finite = np.isfinite(block)
        self.bad += int(block.size - np.count_nonzero(finite))
        level = np.abs(np.where(finite, block, np.float32(0)))
        self.peak = max(self.peak, float(level.max()))
        self.energy += float(np.sum(np.square(level, dtype=np.float64)))
        self.values += level.size
        self.clipped += int(np.count_nonzero(level >= _FULL_SCALE))
        loudest = np.maximum.reduceat(level.max(axis=1), np.arange(0, len(level), window))
        self.quiet.append(loudest < 10 ** (SILENCE_DBFS / 20))


def inspect(path: Path | str) -> Inspection:
    """Inspects a file in one pass and bounded memory.

    Raises:
        InputError: the file is missing, damaged, cut short, empty or not audio.
    """
    meter = _Meter()
    with open_audio(path) as source:
        window = max(1, source.sample_rate_hz // _WINDOWS_PER_S)
        for block in source.blocks(_whole_windows(source, window)):
            meter.add(block, window)
        provenance, problem = _provenance(source.comment)
        return Inspection(
            name=source.path.name,
            container=source.container,
            encoding=source.encoding,
            seconds=source.seconds,
            sample_rate_hz=source.sample_rate_hz,
            channels=source.channels,
            peak_dbfs=_dbfs(meter.peak),
            rms_dbfs=_dbfs(float(np.sqrt(meter.energy / max(1, meter.values)))),
            clipped_samples=meter.clipped,
            bad_samples=meter.bad,
            silences=tuple(
                _silences(np.concatenate(meter.quiet), window / source.sample_rate_hz, source)
            ),
            provenance=provenance,
            provenance_fault=problem,
        )


def _whole_windows(source: AudioFile, window: int) -> int:
    return window * max(1, BLOCK_VALUES // (source.channels * window))


def _silences(
    quiet: np.ndarray, window_s: float, source: AudioFile
) -> Iterator[tuple[float, float]]:
    edges = np.flatnonzero(np.diff(np.pad(quiet.astype(np.int8), 1)))
    for first, last in edges.reshape(-1, 2):
        start, end = float(first * window_s), min(float(last * window_s), source.seconds)
        if end - start >= SHORTEST_SILENCE_S:
            yield start, end


def _provenance(comment: str) -> tuple[Provenance | None, str]:
    try:
        return from_comment(comment), ""
    except ValueError as error:
        return None, "a record that cannot be read: " + str(error).splitlines()[0]


def _dbfs(level: float) -> float:
    return 20 * float(np.log10(level)) if level > 0 else float("-inf")
