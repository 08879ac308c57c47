"""Audio that is played into running music: chunk by chunk, from a file or live.

A pipeline that takes audio has a control for it. In every tick it holds what came in since the
tick before; a tick in which nothing came in must hold nothing, or the model hears the same again.
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
    """A pipeline takes no audio."""

    exit_code: ClassVar[int] = 4


def inject_control(graph: Graph) -> str:
    """The name of the control that takes audio, float32 [heard_sample, channel].

    Raises:
        NotInjectable: the pipeline has none.
    """
    for name, control in graph.controls.items():
        if control.port.kind == KIND:
            return name
    raise NotInjectable(
        f"pipeline {graph.name} takes no audio: it has no control for it; use one that has, such "
        "as the presets whose name ends in -inject"
    )


def silence(graph: Graph) -> dict[str, np.ndarray]:
    """The controls by which nothing is heard; none in a pipeline that takes no audio."""
    nothing = np.zeros((0, graph.format.channels), np.float32)
    return {name: nothing for name, control in graph.controls.items() if control.port.kind == KIND}


def blocks(audio: np.ndarray, format: Format) -> Iterator[np.ndarray]:
    """Cuts a recording into what each tick hears, the last filled up with silence; then nothing.

    Args:
        audio: float32 [sample, channel], as `audio.clips.read_audio` returns it.
        format: gives the length of a chunk.

    Yields:
        float32 [sample, channel], without end: of no samples when the recording is over.
    """
    size = format.dims["sample"]
    for start in range(0, len(audio), size):
        block = audio[start : start + size]
        yield np.pad(block, ((0, size - len(block)), (0, 0)))
    while True:
        yield audio[:0]


class LiveInput:
    """Collects what comes in between two ticks; one thread may write while another takes.

    Args:
        format: of the music; a chunk's length is all that is ever kept, the newest.
        rate_hz: of what comes in; None = the format's.
        channels: of what comes in: the format's, or 1; None = the format's.

    Raises:
        InputError: the rate or the channels are impossible.
    """

    def __init__(
        self, format: Format, rate_hz: int | None = None, channels: int | None = None
    ) -> None:
        self._channels = format.channels if channels is None else channels
        if self._channels not in (1, format.channels):
            raise InputError(f"audio played in has 1 or {format.channels} channels, not {channels}")
        rate_hz = format.sample_rate_hz if rate_hz is None else rate_hz
        if not 1_000 <= rate_hz <= 768_000:
            raise InputError(f"audio played in has a rate of 1 kHz to 768 kHz, not {rate_hz} Hz")
        self._format, self._rate_hz = format, rate_hz
        self._resampler = (
            None
            if rate_hz == format.sample_rate_hz
            else soxr.ResampleStream(rate_hz, format.sample_rate_hz, self._channels, "float32")
        )
        self._kept = np.zeros((0, format.channels), np.float32)
        self._lock = threading.Lock()

    def write(self, samples: np.ndarray) -> None:
        """Adds samples.

        Args:
            samples: float32 [sample, channel], 1.0 = full scale; any number of them.

        Raises:
            InputError: they are not that, not finite or absurdly loud; nothing was added.
        """
        if samples.dtype != np.float32 or samples.ndim != 2 or samples.shape[1] != self._channels:
            raise InputError(
                f"audio played in is float32 [sample, channel={self._channels}], got "
                f"{samples.dtype} {list(samples.shape)}"
            )
        if not (np.abs(samples) <= LOUDEST).all():  # NaN compares false
            raise InputError("audio played in must be numbers within full scale, -1 to 1")
        if not len(samples):
            return
        # What is far behind would not be kept; of a message at a low rate very much would be made.
        samples = samples[-math.ceil(2 * self._rate_hz * self._format.chunk_s) :]
        with self._lock:
            new = samples if self._resampler is None else self._resampler.resample_chunk(samples)
            if self._channels == 1:
                new = np.repeat(new, self._format.channels, axis=1)
            kept = np.concatenate([self._kept, new])
            self._kept = kept[max(len(kept) - self._format.dims["sample"], 0) :]

    def take(self) -> np.ndarray:
        """What came in since it was last taken: float32 [heard_sample, channel], maybe nothing."""
        with self._lock:
            kept, self._kept = self._kept, self._kept[:0]
            return kept
