"""The codec's sizes: windows, bands, and the matrices between bins and bands.

Below 1 kHz a band is one bin of the spectrum, above it a semitone, so that chords stay distinct.
Phases and the fine detail of high bins, which are hardly audible, are not kept.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

LOWEST_BIN, FIRST_WIDE_BIN, HIGHEST_BIN = 2, 44, 720
SEMITONE = 2 ** (1 / 12)
# First bins of the groups, for each of which one number is the position between left and right.
PAN_EDGES = (0, 4, 9, 16, 26, 44, 70, 111, 176, 280)


@dataclass(frozen=True)
class Measures:
    """The sizes of the codec; weights fit one set of sizes only.

    Attributes:
        sample_rate_hz: samples per second and channel.
        channels: 2, left and right.
        frame_samples: samples of a frame, which becomes one row of codes.
        hop_samples: samples from one spectrum to the next.
        window_samples: samples of a spectrum's Hann window.
        width: width of a frame's embedding.
        levels: RVQ levels.
        codes: codes per level.
        taps: frames around and including a frame that its rendering reads.
        floor: magnitudes well below this are silence; that of a full-scale sine is
            `window_samples` / 4.
        pan_gain: weight of the position between left and right, relative to a neper of loudness.
    """

    sample_rate_hz: int = 48_000
    channels: int = 2
    frame_samples: int = 1920
    hop_samples: int = 480
    window_samples: int = 2048
    width: int = 192
    levels: int = 16
    codes: int = 1024
    taps: int = 3
    floor: float = 0.1
    pan_gain: float = 2.5

    @property
    def hops(self) -> int:
        """Number of spectra of a frame."""
        return self.frame_samples // self.hop_samples

    @property
    def bins(self) -> int:
        """Number of bins of a spectrum."""
        return self.window_samples // 2 + 1

    @cached_property
    def centres(self) -> np.ndarray:
        """Centres of the bands in bins, float64 [band]."""
        wide = FIRST_WIDE_BIN * SEMITONE ** np.arange(self.bins)
        return np.concatenate(
            [np.arange(LOWEST_BIN, FIRST_WIDE_BIN), wide[wide < HIGHEST_BIN]]
        ).astype(np.float64)

    @property
    def bands(self) -> int:
        """Number of bands of a spectrum."""
        return len(self.centres)

    @property
    def pans(self) -> int:
        """Number of groups of bins whose position between left and right is kept."""
        return len(PAN_EDGES)

    @property
    def features(self) -> int:
        """Number of features of a frame."""
        return self.hops * self.bands + self.pans

    @cached_property
    def band_kernel(self) -> np.ndarray:
        """Triangles from the power of bins to the mean power of bands, float32 [bin, band]."""
        below, above = self.centres[:1] - 1, self.centres[-1:] * SEMITONE
        edges = np.concatenate([below, self.centres, above])
        left, middle, right = edges[:-2], edges[1:-1], edges[2:]
        bins = np.arange(self.bins)[:, None]
        rising, falling = (bins - left) / (middle - left), (right - bins) / (right - middle)
        triangles = np.clip(np.minimum(rising, falling), 0, None)
        return (triangles / triangles.sum(axis=0)).astype(np.float32)

    @cached_property
    def bin_kernel(self) -> np.ndarray:
        """Interpolation from the loudness of bands to that of bins, float32 [band, bin]."""
        return _between(self.centres, self.bins)

    @cached_property
    def in_bands(self) -> np.ndarray:
        """1 for bins that the bands cover, 0 for the others, float32 [bin]."""
        bins = np.arange(self.bins)
        return ((bins > 0) & (bins < HIGHEST_BIN)).astype(np.float32)

    @cached_property
    def pan_sums(self) -> np.ndarray:
        """Sums of bins over groups, float32 [bin, pan]."""
        group = np.searchsorted(PAN_EDGES, np.arange(self.bins), side="right") - 1
        return np.eye(self.pans, dtype=np.float32)[group]

    @cached_property
    def pan_kernel(self) -> np.ndarray:
        """Interpolation from groups to bins, float32 [pan, bin]."""
        edges = np.array([*PAN_EDGES, HIGHEST_BIN], np.float64)
        return _between((edges[:-1] + edges[1:]) / 2, self.bins)


def _between(centres: np.ndarray, bins: int) -> np.ndarray:
    unit = np.eye(len(centres))
    rows = [np.interp(np.arange(bins), centres, row) for row in unit]
    return np.stack(rows).astype(np.float32)


MEASURES = Measures()
