"""Live input of a performance: a file or a microphone, tick by tick."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import numpy as np

from soundstage.apps.player.sound_devices import number_or_name, portaudio, portaudio_errors
from soundstage.audio.clips import read_audio
from soundstage.graph.format import Format
from soundstage.runners.sessions.injection import LiveInput, blocks


class LiveSource(Protocol):
    """An open source of live audio."""

    def take(self) -> np.ndarray:
        """Returns the samples received since the last call.

        Returns:
            float32 [heard_sample, channel]; may hold no sample.
        """
        ...


class LiveSourceSpec(Protocol):
    """A description of a live source, which opens it."""

    def check(self, format: Format) -> None:
        """Refuses a source that cannot be opened, as far as can be found out without opening it."""
        ...

    def open(self, format: Format) -> AbstractContextManager[LiveSource]:
        """Opens the source; closes it after the block."""
        ...


class _Blocks:
    """A file as a live source: one chunk's length of it for each call."""

    def __init__(self, parts: Iterator[np.ndarray]) -> None:
        self._parts = parts

    def take(self) -> np.ndarray:
        """Returns the next chunk's length; no sample after the end of the file."""
        return next(self._parts)


@dataclass(frozen=True)
class FileSpec:
    """An audio file as live input: the first tick hears its first chunk's length, and so on.

    Attributes:
        path: an audio file in any format that `audio.clips` reads.
    """

    path: Path

    def check(self, format: Format) -> None:
        """Refuses a file that cannot be read.

        Raises:
            InputError: as `audio.clips.read_audio`.
        """
        self._read(format)

    @contextmanager
    def open(self, format: Format) -> Iterator[LiveSource]:
        """Reads the file."""
        yield _Blocks(blocks(self._read(format), format))

    def _read(self, format: Format) -> np.ndarray:
        return read_audio(self.path, format.sample_rate_hz, format.channels)


@dataclass(frozen=True)
class MicrophoneSpec:
    """A recording sound device as live input: each tick hears the sound since the tick before.

    Attributes:
        device: a device's number or a part of its name; None = the system's default.
    """

    device: str | None = None

    def check(self, format: Format) -> None:
        """Refuses a device that does not exist or cannot record.

        Raises:
            UsageError: the extra `play` is not installed.
            OutputError: there is no such device, or PortAudio is missing.
        """
        self._query(portaudio())

    @contextmanager
    def open(self, format: Format) -> Iterator[LiveSource]:
        """Records until the block ends.

        Raises:
            OutputError: the device cannot be opened.
        """
        library = portaudio()
        device = self._query(library)
        channels = format.channels if device["max_input_channels"] >= format.channels else 1
        rate_hz = round(device["default_samplerate"])
        live = LiveInput(format, rate_hz, channels)

        def receive(samples: np.ndarray, count: int, time: Any, status: Any) -> None:
            # Drivers may deliver NaN, and a microphone that is too near goes beyond full scale.
            live.write(np.clip(np.nan_to_num(samples), -1.0, 1.0))

        with portaudio_errors(library, device["name"]):
            stream = library.InputStream(
                samplerate=rate_hz,
                channels=channels,
                dtype="float32",
                device=device["index"],
                callback=receive,
            )
        try:
            with portaudio_errors(library, device["name"]):
                stream.start()
            yield live
        finally:
            stream.close()

    def _query(self, library: ModuleType) -> dict[str, Any]:
        """Returns PortAudio's facts about the device."""
        name = "the microphone" if self.device is None else f"device {self.device!r}"
        with portaudio_errors(library, name):
            device: dict[str, Any] = library.query_devices(number_or_name(self.device), "input")
        return device
