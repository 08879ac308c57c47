"""Random crops of a corpus, each addressed by (seed, step, row)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from soundstage.errors import Error


class CropError(Error):
    """Audio files have the wrong format, or all of them are shorter than a crop."""


class CropStarts:
    """All positions at which a crop may start in several pieces, each equally likely.

    Args:
        lengths: the lengths of the pieces, each at least `crop`.
        crop: length of a crop.
    """

    def __init__(self, lengths: Sequence[int], crop: int) -> None:
        self._ends = np.cumsum([length - crop + 1 for length in lengths])

    def draw(self, random: np.random.Generator) -> tuple[int, int]:
        """Draws a piece's number and a start in that piece."""
        index = int(random.integers(self._ends[-1]))
        piece = int(np.searchsorted(self._ends, index, side="right"))
        return piece, index - (int(self._ends[piece - 1]) if piece else 0)


class Crops:
    """Reads crops of audio files; every sample of every file is equally likely.

    The same (seed, step, row) gives the same crop, whatever was read before.

    Args:
        paths: audio files of one sample rate and number of channels.
        samples: length of a crop; shorter files are left out.
        seed: the seed of the run.
        sample_rate_hz: the rate every file must have.
        channels: the number of channels every file must have.

    Raises:
        CropError: a file has another rate or number of channels, or none is long enough.
        OSError: a file cannot be read.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        samples: int,
        seed: int,
        sample_rate_hz: int = 48_000,
        channels: int = 2,
    ) -> None:
        self._samples, self._seed = samples, seed
        self._paths: list[Path] = []
        lengths = []
        for path in paths:
            info = soundfile.info(path)
            if (info.samplerate, info.channels) != (sample_rate_hz, channels):
                raise CropError(
                    f"{path} has {info.channels} channels at {info.samplerate} Hz; crops need "
                    f"{channels} at {sample_rate_hz} Hz"
                )
            if info.frames >= samples:
                self._paths.append(path)
                lengths.append(info.frames)
        if not lengths:
            raise CropError(f"none of {len(paths)} audio files has {samples} samples")
        self._starts = CropStarts(lengths, samples)

    def crop(self, step: int, row: int) -> np.ndarray:
        """Reads one crop, float32 [sample, channel], 1.0 = full scale.

        Raises:
            OSError: the file cannot be read.
        """
        number, start = self._starts.draw(np.random.default_rng([self._seed, step, row]))
        with soundfile.SoundFile(self._paths[number]) as file:
            file.seek(start)
            return file.read(self._samples, dtype="float32", always_2d=True)

    def batch(self, step: int, rows: int) -> np.ndarray:
        """Reads the crops of a step, float32 [row, sample, channel].

        Raises:
            OSError: a file cannot be read.
        """
        return np.stack([self.crop(step, row) for row in range(rows)])
