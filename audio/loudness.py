"""Loudness normalisation: audio that is made as loud as asked, once all of it is there."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np

from soundstage.audio.writer import AudioWriter
from soundstage.errors import InputError, UsageError

# Integrated loudness by ITU-R BS.1770-4. Broadcast has -23, streaming services about -14.
QUIETEST_LUFS, LOUDEST_LUFS = -70.0, 0.0
# The measure has blocks of 0.4 s; all audio is in memory while it is taken.
SHORTEST_S, LONGEST_S = 0.4, 3600.0


def check_loudness(lufs: float, seconds: float) -> None:
    """Refuses a loudness that cannot be reached, or cannot be measured.

    Args:
        lufs: the integrated loudness to reach.
        seconds: the length of the audio.

    Raises:
        UsageError: `lufs` is out of range, or pyloudnorm is not installed.
        InputError: the audio is too short or too long.
    """
    if not QUIETEST_LUFS <= lufs <= LOUDEST_LUFS:
        raise UsageError(
            f"--loudness {lufs:g}: must lie in [{QUIETEST_LUFS:g}, {LOUDEST_LUFS:g}] LUFS; "
            "streaming services play at about -14"
        )
    if not SHORTEST_S <= seconds <= LONGEST_S:
        raise InputError(
            f"--loudness: {seconds:g} s of audio cannot be measured, only {SHORTEST_S:g} to "
            f"{LONGEST_S:g} s"
        )
    if find_spec("pyloudnorm") is None:
        cure = "in soundstage's source folder, run `pip install '.[loudness]'`"
        raise UsageError(f"--loudness needs pyloudnorm, which is not installed; {cure}")


def gain_for(audio: np.ndarray, sample_rate_hz: int, lufs: float) -> tuple[float, float]:
    """Returns the factor that makes audio as loud as asked, without cutting a sample off.

    Args:
        audio: float32 [sample, channel], at least `SHORTEST_S` long.
        sample_rate_hz: samples per second and channel.
        lufs: the integrated loudness to reach.

    Returns:
        The factor, and the loudness that it reaches, in LUFS: less than asked if the peaks would
        exceed full scale, and -inf with the factor 1 for silence.
    """
    import pyloudnorm

    measured = float(pyloudnorm.Meter(sample_rate_hz).integrated_loudness(audio))
    if not np.isfinite(measured):
        return 1.0, float("-inf")
    peak = float(np.abs(audio).max())
    factor = min(10 ** ((lufs - measured) / 20), 1 / peak)
    return factor, measured + 20 * float(np.log10(factor))


class LevelledWriter:
    """Keeps the audio that is written, and writes it at the end, as loud as asked.

    Args:
        writer: receives the audio.
        sample_rate_hz: samples per second and channel.
        lufs: the integrated loudness to reach.

    Attributes:
        samples: samples per channel kept so far.
        reached_lufs: the loudness of what was written, once it was.
    """

    def __init__(self, writer: AudioWriter, sample_rate_hz: int, lufs: float) -> None:
        self.samples, self.reached_lufs = 0, float("nan")
        self._writer, self._sample_rate_hz, self._lufs = writer, sample_rate_hz, lufs
        self._blocks: list[np.ndarray] = []

    @property
    def clipped_samples(self) -> int:
        """Samples, over all channels, that were cut to full scale: those of what was written."""
        return self._writer.clipped_samples

    def write(self, block: np.ndarray) -> None:
        """Keeps float32 [sample, channel]."""
        self._blocks.append(block)
        self.samples += len(block)

    def sync(self) -> None:
        """Does nothing: nothing is written yet."""

    def finish(self) -> None:
        """Writes the audio.

        Raises:
            StageError: a sample is not finite.
            OutputError: the disk is full or removed.
        """
        audio = np.concatenate(self._blocks)
        factor, self.reached_lufs = gain_for(audio, self._sample_rate_hz, self._lufs)
        self._writer.write((audio * np.float32(factor)).astype(np.float32))
