"""The codec's sizes: windows, bands, groups, and the matrices between bins and bands.

Below 1 kHz a band is one bin of the spectrum, above it a semitone, so that chords stay distinct.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

LOWEST_BIN, FIRST_WIDE_BIN, HIGHEST_BIN = 2, 44, 1024
SEMITONE = 2 ** (1 / 12)
# First bins of the groups, for each of which two angles say where the sound is and how wide.
GROUP_EDGES = (0, 6, 10, 16, 25, 40, 63, 101, 161, 256, 407, 648)
# First frequencies, in Hz, of the three wide bands of the fast envelope, and the end of the last.
SLOT_EDGES_HZ = (2000.0, 4500.0, 9000.0, 24_000.0)


@dataclass(frozen=True)
class Measures:
    """The sizes of the codec; weights fit one set of sizes only.

    Attributes:
        sample_rate_hz: samples per second and channel.
        channels: 2, left and right.
        frame_samples: samples of a frame, which becomes one row of codes.
        hop_samples: samples from one spectrum to the next.
        window_samples: samples of a spectrum's Hann window.
        slot_samples: samples of a slot of the fast envelope; its window is twice as long.
        width: width of a frame's embedding.
        levels: RVQ levels.
        codes: codes per level.
        past_taps: frames before a frame that its rendering reads.
        future_taps: frames behind a frame that its rendering reads.
        hidden: width of the network's layers for a frame.
        hop_hidden: width of the network's layers for a spectrum.
        floor: magnitudes well below this are silence; that of a full-scale sine is
            `window_samples` / 4.
        angle_floor: groups whose magnitudes are well below this lie in the middle.
        slot_floor: the same for the fast envelope; that of a full-scale sine is
            `slot_samples` / 2.
        angle_gain: weight of a radian of stereo, relative to a neper of loudness.
        slot_gain: weight of a neper of the fast envelope, relative to one of a band's loudness.
    """

    sample_rate_hz: int = 48_000
    channels: int = 2
    frame_samples: int = 1920
    hop_samples: int = 480
    window_samples: int = 2048
    slot_samples: int = 240
    width: int = 160
    levels: int = 16
    codes: int = 1024
    past_taps: int = 2
    future_taps: int = 1
    hidden: int = 448
    hop_hidden: int = 224
    floor: float = 0.05
    angle_floor: float = 0.5
    slot_floor: float = 0.012
    angle_gain: float = 2.0
    slot_gain: float = 2.0

    @property
    def hops(self) -> int:
        """Number of spectra of a frame."""
        return self.frame_samples // self.hop_samples

    @property
    def slots(self) -> int:
        """Number of slots of a frame."""
        return self.frame_samples // self.slot_samples

    @property
    def bins(self) -> int:
        """Number of bins of a spectrum."""
        return self.window_samples // 2 + 1

    @property
    def taps(self) -> int:
        """Number of frames that the rendering of a frame reads, itself included."""
        return self.past_taps + 1 + self.future_taps

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
    def groups(self) -> int:
        """Number of groups of bins whose place and width in the stereo image are kept."""
        return len(GROUP_EDGES)

    @property
    def slot_bands(self) -> int:
        """Number of wide bands of the fast envelope."""
        return len(SLOT_EDGES_HZ) - 1

    @property
    def parts(self) -> tuple[int, int, int, int]:
        """Features of a frame by kind: loudness of bands, places, widths, fast envelope."""
        return self.hops * self.bands, self.groups, self.groups, self.slots * self.slot_bands

    @property
    def features(self) -> int:
        """Number of features of a frame."""
        return sum(self.parts)

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
    def group_sums(self) -> np.ndarray:
        """Sums of bins over groups, float32 [bin, group]."""
        group = np.searchsorted(GROUP_EDGES, np.arange(self.bins), side="right") - 1
        return np.eye(self.groups, dtype=np.float32)[group]

    @cached_property
    def group_kernel(self) -> np.ndarray:
        """Interpolation from groups to bins, float32 [group, bin]."""
        edges = np.array([*GROUP_EDGES, HIGHEST_BIN], np.float64)
        return _between((edges[:-1] + edges[1:]) / 2, self.bins)

    @cached_property
    def slot_means(self) -> np.ndarray:
        """Means of bins of a slot's spectrum over wide bands, float32 [slot bin, slot band]."""
        bin_hz = self.sample_rate_hz / (2 * self.slot_samples)
        hertz = np.arange(self.slot_samples + 1) * bin_hz
        band = np.searchsorted(SLOT_EDGES_HZ, hertz, side="right") - 1
        sums = np.eye(self.slot_bands)[np.minimum(band, self.slot_bands - 1)]
        sums[band < 0] = 0
        return (sums / sums.sum(axis=0)).astype(np.float32)


def _between(centres: np.ndarray, bins: int) -> np.ndarray:
    unit = np.eye(len(centres))
    rows = [np.interp(np.arange(bins), centres, row) for row in unit]
    return np.stack(rows).astype(np.float32)


MEASURES = Measures()
