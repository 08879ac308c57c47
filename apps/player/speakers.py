"""The sink that plays on a sound device through PortAudio."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from soundstage.apps.player.sink import AHEAD_S, Source
from soundstage.apps.player.sound_devices import number_or_name, portaudio, portaudio_errors
from soundstage.errors import OutputError

_ELSE = ", or play through a program, such as --to 'aplay'"


@dataclass(frozen=True)
class SpeakersChoice:
    """The speakers, or another sound device, as the destination of a performance.

    Attributes:
        device: a device's number or a part of its name; None = the system's default.
    """

    device: str | None = None

    def check(self, sample_rate_hz: int, channels: int) -> None:
        """Refuses a device that does not exist or cannot play this.

        Raises:
            Exception: as `portaudio`.
            OutputError: there is no such device, or it takes another rate or fewer channels.
        """
        library, device = portaudio(_ELSE), number_or_name(self.device)
        with self._errors(library):
            library.query_devices(device, "output")
            library.check_output_settings(device, channels, "float32", None, sample_rate_hz)

    @contextmanager
    def open(self, sample_rate_hz: int, channels: int) -> Iterator[Speakers]:
        """Opens the device.

        Raises:
            OutputError: the device cannot be opened.
        """
        library, device = portaudio(_ELSE), number_or_name(self.device)
        with self._errors(library):
            name = str(library.query_devices(device, "output")["name"])
            speakers = Speakers(name, library, device, sample_rate_hz, channels)
        try:
            yield speakers
        finally:
            speakers.close()

    def _errors(self, library: ModuleType) -> AbstractContextManager[None]:
        name = "the speakers" if self.device is None else f"device {self.device!r}"
        return portaudio_errors(library, name, _ELSE)


class Speakers:
    """A sink on a sound device, which pulls samples through a callback.

    Opened by `SpeakersChoice.open`.

    Attributes:
        name: the device's name.
        late_blocks: how often the device reported that samples came too late.
    """

    def __init__(
        self,
        name: str,
        library: ModuleType,
        device: int | str | None,
        sample_rate_hz: int,
        channels: int,
    ) -> None:
        self.name = name
        self.late_blocks = 0
        self._library = library
        self._rate_hz = sample_rate_hz
        self._silent_samples = 0
        self._source: Source | None = None
        # A short latency would gain nothing: a change of style takes a chunk anyway.
        self._stream = library.OutputStream(
            samplerate=sample_rate_hz,
            channels=channels,
            dtype="float32",
            device=device,
            latency=AHEAD_S,
            callback=self._call,
        )

    def start(self, source: Source) -> None:
        """Starts to pull; returns at once.

        Raises:
            OutputError: the device cannot be started.
        """
        self._source = source
        try:
            self._stream.start()
        except self._library.PortAudioError as error:
            raise OutputError(f"{self.name}: {error}") from error

    @property
    def error(self) -> Exception | None:
        """The error if the device stopped before the source was finished."""
        if self.over and self._source is not None and not self._source.finished:
            return OutputError(f"{self.name}: the device has stopped; was it unplugged?")
        return None

    @property
    def over(self) -> bool:
        """Whether the device has stopped."""
        return self._source is not None and not self._stream.active

    def close(self) -> None:
        """Closes the device."""
        self._stream.close()

    def _call(self, out: np.ndarray, samples: int, time: Any, status: Any) -> None:
        """Fills the device's buffer, on the device's thread: allocates no audio, never waits."""
        assert self._source is not None  # set before the stream starts
        if status.output_underflow:
            self.late_blocks += 1
        if not self._source.finished:
            self._source.fill(out)
            return
        # Some drivers drop their buffer when they are stopped, so silence pushes the music out.
        out.fill(0.0)
        self._silent_samples += samples
        if self._silent_samples > 2 * self._stream.latency * self._rate_hz:
            raise self._library.CallbackStop
