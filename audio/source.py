"""Sources of audio: an open file, or samples in memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from soundstage.errors import InputError

LOWEST_RATE_HZ = 1_000
HIGHEST_RATE_HZ = 768_000
# More channels than samples is [channel, sample], the order of other libraries.
_MOST_CHANNELS = 64


class AudioSource(Protocol):
    """Audio that is read once, from start to end."""

    @property
    def name(self) -> str:
        """The source, quoted in errors."""
        ...

    @property
    def sample_rate_hz(self) -> int:
        """Samples per second and channel."""
        ...

    @property
    def channels(self) -> int:
        """Audio channels."""
        ...

    @property
    def samples(self) -> int:
        """Samples per channel."""
        ...

    @property
    def seconds(self) -> float:
        """The duration."""
        ...

    def blocks(self) -> Iterator[np.ndarray]:
        """Yields float32 [sample, channel], 1.0 = full scale."""
        ...


@dataclass(frozen=True)
class SampleArray:
    """Audio in memory.

    Attributes:
        audio: float32 [sample, channel], 1.0 = full scale.
        sample_rate_hz: samples per second and channel.
        name: quoted in errors.
    """

    audio: np.ndarray
    sample_rate_hz: int
    name: str = "samples"

    @classmethod
    def of(cls, samples: np.ndarray, sample_rate_hz: float) -> "SampleArray":
        """Checks samples of a user.

        Args:
            samples: float32 or float64 `[sample]` or `[sample, channel]`, 1.0 = full scale.
            sample_rate_hz: samples per second and channel, 1 kHz to 768 kHz.

        Raises:
            InputError: dtype, shape or rate are others, or there is no sample.
        """
        audio = np.asarray(samples)
        if audio.dtype not in (np.float32, np.float64):
            raise InputError(
                f"samples are float32 or float64, 1.0 = full scale, got {audio.dtype}: divide "
                "16-bit samples by 32768"
            )
        if audio.ndim not in (1, 2) or not audio.size:
            raise InputError(
                f"samples are an array [sample] or [sample, channel], got {list(audio.shape)}"
            )
        audio = audio.reshape(len(audio), -1).astype(np.float32)
        if audio.shape[1] > _MOST_CHANNELS:
            raise InputError(
                f"samples of shape {list(audio.shape)} have {audio.shape[1]} channels; the order "
                "is [sample, channel]: write samples.T"
            )
        if not LOWEST_RATE_HZ <= sample_rate_hz <= HIGHEST_RATE_HZ:
            raise InputError(
                f"samples: their rate, {sample_rate_hz} Hz, is outside {LOWEST_RATE_HZ} to "
                f"{HIGHEST_RATE_HZ} Hz: resample them"
            )
        return cls(audio, round(sample_rate_hz))

    @property
    def channels(self) -> int:
        """Audio channels."""
        return int(self.audio.shape[1])

    @property
    def samples(self) -> int:
        """Samples per channel."""
        return len(self.audio)

    @property
    def seconds(self) -> float:
        """The duration."""
        return self.samples / self.sample_rate_hz

    def blocks(self) -> Iterator[np.ndarray]:
        """Yields all samples as one block."""
        yield self.audio
