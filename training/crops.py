"""Random crops of a corpus, each addressed by (seed, step, row)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from soundstage.errors import Error


class CropError(Error):
    """Audio files cannot be cropped as asked."""


class Crops:
    """Reads crops of audio files; every sample of every file is as likely as any other.

    The same (seed, step, row) is the same crop, whatever was read before.

    Args:
        paths: audio files of one sample rate and number of channels.
        samples: length of a crop; files that are shorter are left out.
        seed: of the whole run.
        sample_rate_hz: what the files must have.
        channels: likewise.

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
        starts = []
        for path in paths:
            info = soundfile.info(path)
            if (info.samplerate, info.channels) != (sample_rate_hz, channels):
                raise CropError(
                    f"{path} has {info.channels} channels at {info.samplerate} Hz; crops need "
                    f"{channels} at {sample_rate_hz} Hz"
                )
            if info.frames >= samples:
                self._paths.append(path)
                starts.append(info.frames - samples + 1)
        if not starts:
            raise CropError(f"none of {len(paths)} audio files has {samples} samples")
        self._ends = np.cumsum(starts)

    def crop(self, step: int, row: int) -> np.ndarray:
        """Reads one crop, float32 [sample, channel], 1.0 = full scale.

        Raises:
            OSError: the file cannot be read.
        """
        draw = np.random.default_rng([self._seed, step, row])
        place = int(draw.integers(self._ends[-1]))
        number = int(np.searchsorted(self._ends, place, side="right"))
        start = place - (int(self._ends[number - 1]) if number else 0)
        with soundfile.SoundFile(self._paths[number]) as file:
            file.seek(start)
            return file.read(self._samples, dtype="float32", always_2d=True)

    def batch(self, step: int, rows: int) -> np.ndarray:
        """Reads the crops of a step, float32 [row, sample, channel].

        Raises:
            OSError: a file cannot be read.
        """
        return np.stack([self.crop(step, row) for row in range(rows)])
