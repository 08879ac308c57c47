"""Live input: audio for running music, chunk by chunk, from a file or a live source.

A pipeline with live input has a control for it. In every tick, the control has the audio since the
tick before. Without new audio it must be empty, or the stages would use the last audio again.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import soxr

from soundstage.audio.clips import LOUDEST
from soundstage.errors import Error, InputError
from soundstage.graph.format import Format
from soundstage.graph.plan import Graph

KIND = "live audio"


class NotInjectable(Error):
    """A pipeline has no control for live input."""

    exit_code: ClassVar[int] = 4


def inject_control(graph: Graph) -> str:
    """Returns the name of the control for live input, float32 [heard_sample, channel].

    Raises:
        NotInjectable: the pipeline has no such control.
    """
    for name, control in graph.controls.items():
        if control.port.kind == KIND:
            return name
    raise NotInjectable(
        f"pipeline {graph.name} takes no audio: it has no control for live input; use one that "
        "has, such as the presets whose name ends in -inject"
    )


def silence(graph: Graph) -> dict[str, np.ndarray]:
    """Returns the controls of empty live input; none in a pipeline without live input."""
    empty = np.zeros((0, graph.format.channels), np.float32)
    return {name: empty for name, control in graph.controls.items() if control.port.kind == KIND}


def blocks(audio: np.ndarray, format: Format) -> Iterator[np.ndarray]:
    """Cuts a recording into blocks of a chunk's length; pads the last block with zeros.

    Args:
        audio: float32 [sample, channel], as `audio.clips.read_audio` returns it.
        format: has the length of a chunk.

    Yields:
        float32 [sample, channel], without end; empty blocks after the end of the recording.
    """
    size = format.dims["sample"]
    for start in range(0, len(audio), size):
        block = audio[start : start + size]
        yield np.pad(block, ((0, size - len(block)), (0, 0)))
    while True:
        yield audio[:0]


class LiveInput:
    """A buffer of live input between two ticks; one thread may write while another takes.

    The buffer keeps at most the newest samples of one chunk's length.

    Args:
        format: the music format.
        rate_hz: samples per second of the input; None = the format's.
        channels: channels of the input: 1 or the format's; None = the format's.

    Raises:
        InputError: the rate is outside 1 kHz to 768 kHz, or the number of channels is another.
    """

    def __init__(
        self, format: Format, rate_hz: int | None = None, channels: int | None = None
    ) -> None:
        self._channels = format.channels if channels is None else channels
        if self._channels not in (1, format.channels):
            raise InputError(f"live input has 1 or {format.channels} channels, not {channels}")
        rate_hz = format.sample_rate_hz if rate_hz is None else rate_hz
        if not 1_000 <= rate_hz <= 768_000:
            raise InputError(f"live input has a rate of 1 kHz to 768 kHz, not {rate_hz} Hz")
        self._format, self._rate_hz = format, rate_hz
        self._resampler = (
            None
            if rate_hz == format.sample_rate_hz
            else soxr.ResampleStream(rate_hz, format.sample_rate_hz, self._channels, "float32")
        )
        self._buffer = np.zeros((0, format.channels), np.float32)
        self._lock = threading.Lock()

    def write(self, samples: np.ndarray) -> None:
        """Adds samples.

        Args:
            samples: float32 [sample, channel], 1.0 = full scale; any number of samples.

        Raises:
            InputError: the array is of another dtype or shape, or has samples that are not finite
                or beyond 32 times full scale. No sample is added.
        """
        if samples.dtype != np.float32 or samples.ndim != 2 or samples.shape[1] != self._channels:
            raise InputError(
                f"live input is float32 [sample, channel={self._channels}], got "
                f"{samples.dtype} {list(samples.shape)}"
            )
        if not (np.abs(samples) <= LOUDEST).all():  # NaN compares false
            raise InputError("live input must be numbers within full scale, -1 to 1")
        if not len(samples):
            return
        # Older samples would be dropped; resampling them from a low rate would take much memory.
        samples = samples[-math.ceil(2 * self._rate_hz * self._format.chunk_s) :]
        with self._lock:
            new = samples if self._resampler is None else self._resampler.resample_chunk(samples)
            if self._channels == 1:
                new = np.repeat(new, self._format.channels, axis=1)
            samples = np.concatenate([self._buffer, new])
            self._buffer = samples[max(len(samples) - self._format.dims["sample"], 0) :]

    def take(self) -> np.ndarray:
        """Returns the samples since the last call: float32 [heard_sample, channel], or empty."""
        with self._lock:
            samples, self._buffer = self._buffer, self._buffer[:0]
            return samples
