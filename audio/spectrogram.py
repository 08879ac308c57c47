"""Reduces audio to a waveform and a spectrogram, in one pass and bounded memory."""

from dataclasses import dataclass

import numpy as np

from soundstage.audio.source import AudioSource

COLUMNS = 1200
BANDS = 320
LOWEST_HZ = 30.0
SILENCE_DB = -120.0

_WINDOW_S = 0.085  # long enough to separate two low notes, short enough to show a drum
_LEAST_HOP = 128
# A band of high notes is many bins wide: its level is the largest of this many points.
_POINTS_PER_BAND = 32


@dataclass(frozen=True)
class Picture:
    """A waveform and a spectrogram.

    Attributes:
        seconds: duration.
        low: float32 [column, channel], the smallest sample in each column of time.
        high: float32 [column, channel], the largest sample in each column of time.
        level_db: float32 [band, time], 0 = a full-scale sine, floor at `SILENCE_DB`.
        highest_hz: the upper end of the bands, which are evenly spaced in octaves.
    """

    seconds: float
    low: np.ndarray
    high: np.ndarray
    level_db: np.ndarray
    highest_hz: float


def picture(source: AudioSource, columns: int = COLUMNS, bands: int = BANDS) -> Picture:
    """Reads `source` to its end and returns its waveform and spectrogram.

    Args:
        source: the audio.
        columns: the greatest number of columns of time.
        bands: the number of bands of the spectrogram.

    Raises:
        InputError: the file is damaged or cut short.
    """
    envelope = _Envelope(source, columns)
    spectrogram = _Spectrogram(source, columns, bands)
    for block in source.blocks():
        finite = np.nan_to_num(block, posinf=0.0, neginf=0.0)
        envelope.add(finite)
        spectrogram.add(finite)
    highest_hz = source.sample_rate_hz / 2
    return Picture(
        source.seconds, *envelope.finished(), spectrogram.finished(highest_hz), highest_hz
    )


class _Envelope:
    """The smallest and largest sample of each column of time."""

    def __init__(self, source: AudioSource, columns: int) -> None:
        self._samples = source.samples
        self._columns = min(columns, source.samples)
        self._low = np.full((self._columns, source.channels), np.inf, np.float32)
        self._high = np.full((self._columns, source.channels), -np.inf, np.float32)
        self._start = 0

    def add(self, block: np.ndarray) -> None:
        index = np.arange(self._start, self._start + len(block)) * self._columns // self._samples
        firsts = np.flatnonzero(np.diff(index, prepend=-1))
        columns = index[firsts].clip(max=self._columns - 1)
        np.minimum.at(self._low, columns, np.minimum.reduceat(block, firsts))
        np.maximum.at(self._high, columns, np.maximum.reduceat(block, firsts))
        self._start += len(block)

    def finished(self) -> tuple[np.ndarray, np.ndarray]:
        filled = np.isfinite(self._low)
        return np.where(filled, self._low, 0), np.where(filled, self._high, 0)


class _Spectrogram:
    """The mean power of overlapping frames in each column of time."""

    def __init__(self, source: AudioSource, columns: int, bands: int) -> None:
        self._bands = bands
        self._length = 1 << round(np.log2(max(256.0, _WINDOW_S * source.sample_rate_hz)))
        self._hop = int(np.clip(source.samples // columns, _LEAST_HOP, self._length // 2))
        self._frames = source.samples // self._hop + 1
        self._power = np.zeros((min(columns, self._frames), self._length // 2 + 1))
        self._counts = np.zeros(len(self._power))
        self._window = np.hanning(self._length).astype(np.float32)
        # Half a frame of silence before the start puts the first frame's middle at 0 s.
        self._pending = np.zeros((self._length // 2, source.channels), np.float32)
        self._next_frame = 0

    def add(self, block: np.ndarray) -> None:
        audio = np.concatenate([self._pending, block])
        count = max(0, (len(audio) - self._length) // self._hop + 1)
        if count:
            frames = np.lib.stride_tricks.sliding_window_view(audio, self._length, axis=0)
            self._add_frames(frames[: count * self._hop : self._hop])
        self._pending = audio[count * self._hop :]

    def finished(self, highest_hz: float) -> np.ndarray:
        self.add(np.zeros((self._length, self._pending.shape[1]), np.float32))
        mean = self._power / np.maximum(self._counts, 1)[:, None]  # [time, bin]
        points_hz = np.geomspace(LOWEST_HZ, highest_hz, self._bands * _POINTS_PER_BAND)
        at = points_hz / highest_hz * (mean.shape[1] - 1)
        below = np.minimum(at.astype(np.int64), mean.shape[1] - 2)
        part = at - below
        level = np.empty((self._bands, len(mean)), np.float32)
        for column, power in enumerate(mean):
            points = power[below] * (1 - part) + power[below + 1] * part
            level[:, column] = points.reshape(self._bands, _POINTS_PER_BAND).max(axis=1)
        return 10 * np.log10(np.maximum(level, np.float32(10 ** (SILENCE_DB / 10))))

    def _add_frames(self, frames: np.ndarray) -> None:
        numbers = np.arange(self._next_frame, self._next_frame + len(frames))
        frames = frames[numbers < self._frames]  # [frame, channel, sample]
        numbers = numbers[: len(frames)]
        spectrum = np.fft.rfft(frames * self._window, axis=-1) * (2 / self._window.sum())
        power = np.square(np.abs(spectrum)).mean(axis=1)
        columns = numbers * len(self._power) // self._frames
        np.add.at(self._power, columns, power)
        np.add.at(self._counts, columns, 1)
        self._next_frame += len(frames)
