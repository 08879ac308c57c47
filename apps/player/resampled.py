"""A source at another sample rate, for sound devices that do not take the music's."""

from __future__ import annotations

import numpy as np
import soxr

from soundstage.apps.player.sink import BLOCK_S, Source


class Resampled:
    """A source of the same music at another sample rate."""

    def __init__(
        self, source: Source, source_rate_hz: int, sample_rate_hz: int, channels: int
    ) -> None:
        """Reads nothing yet.

        Args:
            source: the music.
            source_rate_hz: its samples per second and channel.
            sample_rate_hz: samples per second and channel of this source.
            channels: audio channels.
        """
        self._source = source
        self._stream = soxr.ResampleStream(source_rate_hz, sample_rate_hz, channels, "float32")
        self._block = np.zeros((round(BLOCK_S * source_rate_hz), channels), np.float32)
        self._rest = np.zeros((0, channels), np.float32)
        self._ended = False

    @property
    def finished(self) -> bool:
        """Whether the music has ended and all of it was read."""
        return self._ended and not len(self._rest)

    def fill(self, out: np.ndarray) -> None:
        """Writes the next samples into `out`, and silence where there are none; never waits.

        Args:
            out: float32 [sample, channel]; every sample is written.
        """
        done = 0
        while done < len(out):
            if not len(self._rest) and not self._pull():
                out[done:] = 0.0
                return
            count = min(len(self._rest), len(out) - done)
            out[done : done + count] = self._rest[:count]
            self._rest = self._rest[count:]
            done += count

    def _pull(self) -> bool:
        """Resamples a block, which may give no sample yet; returns whether there may be more."""
        if self._ended:
            return False
        self._ended = self._source.finished
        if self._ended:
            block = self._block[:0]
        else:
            self._source.fill(self._block)
            block = self._block
        self._rest = self._stream.resample_chunk(block, last=self._ended)
        return True
