"""The sink that plays on a sound device through PortAudio."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from soundstage.apps.player.resampled import Resampled
from soundstage.apps.player.sink import AHEAD_S, Source
from soundstage.apps.player.sound_devices import number_or_name, portaudio, portaudio_errors
from soundstage.errors import OutputError

# Sample rates of sound devices, tried in this order after the music's and the device's own.
RATES_HZ = (48_000, 44_100, 96_000, 88_200, 192_000, 176_400, 32_000)
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
            OutputError: there is no such device, or it takes fewer channels.
        """
        library = portaudio(_ELSE)
        with self._errors(library):
            self._find_rate(library, sample_rate_hz, channels)

    @contextmanager
    def open(self, sample_rate_hz: int, channels: int) -> Iterator[Speakers]:
        """Opens the device, at another sample rate if it does not take this one.

        Raises:
            OutputError: the device cannot be opened.
        """
        library, device = portaudio(_ELSE), number_or_name(self.device)
        with self._errors(library):
            name = str(library.query_devices(device, "output")["name"])
            rate_hz = self._find_rate(library, sample_rate_hz, channels)
            speakers = Speakers(name, library, device, sample_rate_hz, channels, rate_hz)
        try:
            yield speakers
        finally:
            speakers.close()

    def _find_rate(self, library: ModuleType, sample_rate_hz: int, channels: int) -> int:
        """Returns a sample rate that the device takes: this one if possible, else its own.

        Raises:
            Exception: PortAudio's error, if the device takes none.
        """
        device = number_or_name(self.device)
        own_hz = round(library.query_devices(device, "output")["default_samplerate"])

        def takes(rate_hz: int) -> bool:
            try:
                library.check_output_settings(device, channels, "float32", None, rate_hz)
            except (library.PortAudioError, ValueError):
                return False
            return True

        for rate_hz in (sample_rate_hz, own_hz, *RATES_HZ):
            if takes(rate_hz):
                return rate_hz
        library.check_output_settings(device, channels, "float32", None, sample_rate_hz)
        return sample_rate_hz

    def _errors(self, library: ModuleType) -> AbstractContextManager[None]:
        name = "the speakers" if self.device is None else f"device {self.device!r}"
        return portaudio_errors(library, name, _ELSE)


class Speakers:
    """A sink on a sound device, which pulls samples through a callback.

    Opened by `SpeakersChoice.open`.

    Attributes:
        name: the device's name, with its sample rate if the music is resampled for it.
        late_blocks: how often the device reported that samples came too late.
    """

    def __init__(
        self,
        name: str,
        library: ModuleType,
        device: int | str | None,
        sample_rate_hz: int,
        channels: int,
        device_rate_hz: int,
    ) -> None:
        self.name = name
        if device_rate_hz != sample_rate_hz:
            self.name += f" (resampled to {device_rate_hz} Hz)"
        self.late_blocks = 0
        self._library = library
        self._rates_hz, self._channels = (sample_rate_hz, device_rate_hz), channels
        self._silent_samples = 0
        self._played = False
        self._source: Source | None = None
        # A short latency would gain nothing: a change of style takes a chunk anyway.
        self._stream = library.OutputStream(
            samplerate=device_rate_hz,
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
        rate_hz, device_rate_hz = self._rates_hz
        if device_rate_hz != rate_hz:
            source = Resampled(source, rate_hz, device_rate_hz, self._channels)
        self._source = source
        try:
            self._stream.start()
        except self._library.PortAudioError as error:
            raise OutputError(f"{self.name}: {error}") from error

    @property
    def error(self) -> Exception | None:
        """The error if the device stopped before all was played, for whatever reason."""
        if self.over and not self._played:
            return OutputError(f"{self.name}: the device has stopped; was it unplugged?")
        return None

    @property
    def over(self) -> bool:
        """Whether the device has stopped."""
        return self._source is not None and not self._stream.active

    def close(self) -> None:
        """Closes the device."""
        if not self.over:
            self._played = True  # it ends here, and not by the device
        self._stream.close()

    def _call(self, out: np.ndarray, samples: int, time: Any, status: Any) -> None:
        """Fills the device's buffer, on the device's thread; never waits.

        Allocates no audio unless it is resampled.
        """
        assert self._source is not None  # set before the stream starts
        if status.output_underflow:
            self.late_blocks += 1
        if not self._source.finished:
            self._source.fill(out)
            return
        # Some drivers drop their buffer when they are stopped, so silence pushes the music out.
        out.fill(0.0)
        self._silent_samples += samples
        if self._silent_samples > 2 * self._stream.latency * self._rates_hz[1]:
            self._played = True
            raise self._library.CallbackStop
