"""Features of prompts that need no trained model: words of a text, mel spectrum of a clip."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from functools import cached_property

import numpy as np

TEXT_FEATURES = 4096
GRAM_CHARACTERS = (2, 3, 4)
START = "start"

WINDOW_S = 0.032
HOP_S = 0.016
MEL_BANDS = 64
LOWEST_HZ = 40.0
# Power below which a band counts as silent, in full scale squared: 60 dB under a quiet tone.
POWER_FLOOR = 1e-6


def grams(text: str) -> Iterator[str]:
    """Yields the words and character n-grams of a text, as "word ..." and "gram ...".

    Letter case and the number of blanks make no difference. `START` comes first.
    """
    # Every text has this gram, so that the features of the empty text are not zero.
    yield START
    for word in text.lower().split():
        yield f"word {word}"
        edged = f"<{word}>"
        for length in GRAM_CHARACTERS:
            for first in range(len(edged) - length + 1):
                yield f"gram {edged[first : first + length]}"


def text_features(text: str) -> np.ndarray:
    """Counts the words and character n-grams of a text in hashed buckets.

    Letter case and the number of blanks make no difference. The hash is the same in every process,
    unlike Python's `hash`.

    Args:
        text: any string, which may be empty.

    Returns:
        float32 [TEXT_FEATURES]; never all zero.
    """
    features = np.zeros(TEXT_FEATURES, np.float32)
    for gram, count in Counter(grams(text)).items():
        digest = hashlib.blake2b(gram.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        number = int.from_bytes(digest, "little")
        sign = 1.0 if number & 1 else -1.0
        features[(number >> 1) % TEXT_FEATURES] += sign * count
    if not features.any():
        features[0] = 1.0
    return features


def mel_filters(rate_hz: int, fft_samples: int) -> np.ndarray:
    """Makes triangular filters, evenly spaced on the mel scale from `LOWEST_HZ` to half the rate.

    Args:
        rate_hz: audio samples per second.
        fft_samples: length of the Fourier transform.

    Returns:
        float32 [bin, band], `MEL_BANDS` bands, weights in [0, 1].
    """
    top_hz = rate_hz / 2
    lowest_mel, top_mel = (2595 * np.log10(1 + hz / 700) for hz in (LOWEST_HZ, top_hz))
    edges_hz = 700 * (10 ** (np.linspace(lowest_mel, top_mel, MEL_BANDS + 2) / 2595) - 1)
    # A band narrower than a bin would be empty: widen it to one bin on either side.
    bin_hz = rate_hz / fft_samples
    low_hz = np.minimum(edges_hz[:-2], edges_hz[1:-1] - bin_hz)
    high_hz = np.maximum(edges_hz[2:], edges_hz[1:-1] + bin_hz)
    bins_hz = np.arange(fft_samples // 2 + 1)[:, None] * bin_hz  # [bin, 1]
    rising = (bins_hz - low_hz) / (edges_hz[1:-1] - low_hz)  # [bin, band]
    falling = (high_hz - bins_hz) / (high_hz - edges_hz[1:-1])  # [bin, band]
    return np.clip(np.minimum(rising, falling), 0, 1).astype(np.float32)


class ClipFeatures:
    """Measures loudness, timbre and rhythm of a clip from its log-mel spectrogram.

    Args:
        rate_hz: samples per second of the clips.
    """

    def __init__(self, rate_hz: int) -> None:
        self.rate_hz = rate_hz
        self.window_samples = max(2, round(WINDOW_S * rate_hz))
        self.hop_samples = max(1, round(HOP_S * rate_hz))
        self.window = np.hanning(self.window_samples + 1)[:-1].astype(np.float32)

    @property
    def size(self) -> int:
        """Length of a clip's features."""
        return 4 * MEL_BANDS + 4

    @cached_property
    def filters(self) -> np.ndarray:
        """The mel filters at the clips' rate, float32 [bin, band]."""
        return mel_filters(self.rate_hz, self.window_samples)

    def log_mel(self, clip: np.ndarray) -> np.ndarray:
        """Computes the loudness of every band over time: log(1 + power / floor), 0 for silence.

        Args:
            clip: float32 [clip_sample]; shorter than one window is padded with silence.

        Returns:
            float32 [window, band], >= 0.
        """
        missing = max(0, self.window_samples - len(clip))
        padded = np.pad(clip, (0, missing))
        frames = np.lib.stride_tricks.sliding_window_view(padded, self.window_samples)
        spectrum = np.fft.rfft(frames[:: self.hop_samples] * self.window)  # [window, bin]
        power = np.square(np.abs(spectrum) / self.window.sum()).astype(np.float32)
        return np.log1p(power @ self.filters / np.float32(POWER_FLOOR))

    def __call__(self, clip: np.ndarray) -> np.ndarray:
        """Computes the features of a clip, also of a silent one.

        Args:
            clip: float32 [clip_sample], mono, 1.0 = full scale, finite.

        Returns:
            float32 [size]; finite, never all zero.
        """
        bands = self.log_mel(clip)  # [window, band]
        rise = np.maximum(np.diff(bands, axis=0, prepend=bands[:1]), 0)  # [window, band]
        onset = rise.mean(axis=1)  # [window]
        level = bands.mean()
        # The last number is constant, so that the features of silence are not zero.
        pooled = np.array([level, onset.mean(), onset.std(), 1.0], np.float32)
        timbre = bands.mean(axis=0) - level  # [band]
        return np.concatenate(
            [timbre, bands.std(axis=0), rise.mean(axis=0), rise.std(axis=0), pooled]
        )
