"""What is played into the music while it is performed: a file or a microphone, tick by tick."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import numpy as np

from soundstage.apps.player.sound_devices import in_words, number_or_name, portaudio
from soundstage.audio.clips import read_audio
from soundstage.graph.format import Format
from soundstage.runners.sessions.injection import LiveInput, blocks


class LiveSource(Protocol):
    """What is heard, once it is open."""

    def take(self) -> np.ndarray:
        """What came in since it was last asked: float32 [heard_sample, channel], maybe nothing."""
        ...


class LiveSourceSpec(Protocol):
    """What is to be heard, before it is opened."""

    def check(self, format: Format) -> None:
        """Refuses what cannot be heard, as far as that can be told beforehand."""
        ...

    def open(self, format: Format) -> AbstractContextManager[LiveSource]:
        """Opens it."""
        ...


class _Blocks:
    """A file, a chunk at a time."""

    def __init__(self, parts: Iterator[np.ndarray]) -> None:
        self._parts = parts

    def take(self) -> np.ndarray:
        """The next chunk's length of it; nothing when it is over."""
        return next(self._parts)


@dataclass(frozen=True)
class FileSpec:
    """A file: chunk 0 hears its first chunk, chunk 1 the second, and so on.

    Attributes:
        path: any audio file.
    """

    path: Path

    def check(self, format: Format) -> None:
        """Reads it once.

        Raises:
            InputError: as `audio.clips.read_audio`.
        """
        self._read(format)

    @contextmanager
    def open(self, format: Format) -> Iterator[LiveSource]:
        """Reads it."""
        yield _Blocks(blocks(self._read(format), format))

    def _read(self, format: Format) -> np.ndarray:
        return read_audio(self.path, format.sample_rate_hz, format.channels)


@dataclass(frozen=True)
class MicrophoneSpec:
    """A sound device that records; each chunk hears what came in since the one before.

    Attributes:
        device: a device's number or a part of its name; None = the system's default.
    """

    device: str | None = None

    def check(self, format: Format) -> None:
        """Refuses a device that is not there or cannot record.

        Raises:
            UsageError: the extra `play` is not installed.
            OutputError: there is no such device, or PortAudio is not there.
        """
        self._found(portaudio())

    @contextmanager
    def open(self, format: Format) -> Iterator[LiveSource]:
        """Records until it is closed.

        Raises:
            OutputError: the device cannot be opened.
        """
        library = portaudio()
        found = self._found(library)
        channels = format.channels if found["max_input_channels"] >= format.channels else 1
        rate_hz = round(found["default_samplerate"])
        live = LiveInput(format, rate_hz, channels)

        def heard(samples: np.ndarray, count: int, time: Any, status: Any) -> None:
            # A driver may deliver anything; beyond full scale is a microphone that is too near.
            live.write(np.clip(np.nan_to_num(samples), -1.0, 1.0))

        with in_words(library, found["name"]):
            stream = library.InputStream(
                samplerate=rate_hz,
                channels=channels,
                dtype="float32",
                device=found["index"],
                callback=heard,
            )
        try:
            with in_words(library, found["name"]):
                stream.start()
            yield live
        finally:
            stream.close()

    def _found(self, library: ModuleType) -> dict[str, Any]:
        name = "the microphone" if self.device is None else f"device {self.device!r}"
        with in_words(library, name):
            found: dict[str, Any] = library.query_devices(number_or_name(self.device), "input")
        return found
