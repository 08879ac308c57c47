"""The speakers, through PortAudio."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from soundstage.apps.player.sink import AHEAD_S, Source
from soundstage.apps.player.sound_devices import in_words, number_or_name, portaudio
from soundstage.errors import OutputError

_ELSE = ", or play through a program, such as --to 'aplay'"


@dataclass(frozen=True)
class SpeakersChoice:
    """The speakers, or another sound device.

    Attributes:
        device: a device's number or a part of its name; None = the system's default.
    """

    device: str | None = None

    def check(self, sample_rate_hz: int, channels: int) -> None:
        """Refuses a device that is not there or cannot play this.

        Raises:
            Exception: what `portaudio` raises.
            OutputError: there is no such device, or it takes another rate or fewer channels.
        """
        library, wanted = portaudio(_ELSE), number_or_name(self.device)
        with self._in_words(library):
            library.query_devices(wanted, "output")
            library.check_output_settings(wanted, channels, "float32", None, sample_rate_hz)

    @contextmanager
    def open(self, sample_rate_hz: int, channels: int) -> Iterator[Speakers]:
        """Opens the device.

        Raises:
            OutputError: it cannot be opened.
        """
        library, wanted = portaudio(_ELSE), number_or_name(self.device)
        with self._in_words(library):
            name = str(library.query_devices(wanted, "output")["name"])
            speakers = Speakers(name, library, wanted, sample_rate_hz, channels)
        try:
            yield speakers
        finally:
            speakers.close()

    def _in_words(self, library: ModuleType) -> AbstractContextManager[None]:
        name = "the speakers" if self.device is None else f"device {self.device!r}"
        return in_words(library, name, _ELSE)


class Speakers:
    """A sound device that pulls through a callback. Made by `SpeakersChoice.open`.

    Attributes:
        name: the device's name.
        late_blocks: how often the device says that it was kept waiting.
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
        # A short latency would buy nothing: a change of style takes a chunk anyway.
        self._stream = library.OutputStream(
            samplerate=sample_rate_hz,
            channels=channels,
            dtype="float32",
            device=device,
            latency=AHEAD_S,
            callback=self._call,
        )

    def start(self, source: Source) -> None:
        """Begins to pull; returns at once.

        Raises:
            OutputError: the device cannot be started.
        """
        self._source = source
        try:
            self._stream.start()
        except self._library.PortAudioError as error:
            raise OutputError(f"{self.name}: {error}") from error

    @property
    def fault(self) -> Exception | None:
        """Why it does not pull any more, if it ought to."""
        if self.over and self._source is not None and not self._source.finished:
            return OutputError(f"{self.name}: the device has stopped; was it unplugged?")
        return None

    @property
    def over(self) -> bool:
        """Whether it does not pull any more."""
        return self._source is not None and not self._stream.active

    def close(self) -> None:
        """Lets go of the device."""
        self._stream.close()

    def _call(self, out: np.ndarray, samples: int, time: Any, status: Any) -> None:
        """What the device's own thread calls: allocates no audio and waits for nothing."""
        assert self._source is not None  # the stream starts after it is there
        if status.output_underflow:
            self.late_blocks += 1
        if not self._source.finished:
            self._source.fill(out)
            return
        # Not every driver lets its buffer sound when it is stopped, so silence pushes it out.
        out.fill(0.0)
        self._silent_samples += samples
        if self._silent_samples > 2 * self._stream.latency * self._rate_hz:
            raise self._library.CallbackStop
