"""The interface of sinks, and a sink that keeps time without a sound card."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from soundstage.audio.standard_output import ReaderGone
from soundstage.audio.wav import Cue
from soundstage.errors import Error

# Audio that the reader holds when the next block is due: as much as a sound card's buffer.
AHEAD_S = 0.2
BLOCK_S = 0.02
# Faster than real time by more than any player's clock, so that the player sets the pace.
FASTER = 1.001


class Source(Protocol):
    """A source of samples, such as `apps.player.ring.Ring`."""

    @property
    def finished(self) -> bool:
        """Whether the music has ended and all of it was read."""
        ...

    def fill(self, out: np.ndarray) -> None:
        """Writes the next samples into `out`, float32 [sample, channel], without waiting."""
        ...


class Sink(Protocol):
    """An output that pulls samples from a source in real time.

    Attributes:
        name: the output, quoted in errors.
        late_blocks: blocks that came too late for the device, for whatever reason.
    """

    name: str
    late_blocks: int

    def start(self, source: Source) -> None:
        """Starts to pull; returns at once.

        Raises:
            OutputError: the device cannot be opened.
        """
        ...

    @property
    def error(self) -> Exception | None:
        """The error that ended the pulling, if any; `ReaderGone` if the reader left."""
        ...

    @property
    def over(self) -> bool:
        """Whether pulling has ended: all was played, or an error ended it."""
        ...

    def close(self) -> None:
        """Ends at once."""
        ...


class Paced:
    """A sink that pulls blocks in real time, by the clock, and writes them with a function.

    A function that waits, such as one that writes to a player's pipe, sets the pace.

    Attributes:
        name: the output, quoted in errors.
        late_blocks: always 0: there is no device.
        cues: the moments of steering, by their place in what is written; see `Ring.cues`.
    """

    def __init__(
        self, name: str, write: Callable[[np.ndarray], None], sample_rate_hz: int, channels: int
    ) -> None:
        """Pulls nothing yet.

        Args:
            name: the output, quoted in errors.
            write: writes float32 [sample, channel]; may wait, and may raise OSError, `Error` or
                `ReaderGone`.
            sample_rate_hz: samples per second and channel.
            channels: audio channels.
        """
        self.name = name
        self.late_blocks = 0
        self.cues: Sequence[Cue] = ()
        self._write = write
        self._rate_hz = sample_rate_hz
        self._channels = channels
        self._closing = threading.Event()
        self._error: Exception | None = None
        self._thread: threading.Thread | None = None

    def start(self, source: Source) -> None:
        """Starts to pull; returns at once."""
        # A daemon, since a player that reads no more must not keep the process alive.
        self._thread = threading.Thread(target=self._run, args=(source,), name="sink", daemon=True)
        self._thread.start()

    @property
    def error(self) -> Exception | None:
        """The error that ended the pulling, if any."""
        return self._error

    @property
    def over(self) -> bool:
        """Whether pulling has ended."""
        return self._thread is not None and not self._thread.is_alive()

    def close(self) -> None:
        """Ends; waits at most 5 s for the block that is being written."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(timeout=5.0)

    def _run(self, source: Source) -> None:
        try:
            self._pull(source)
        # The outermost frame of the thread: `Performance.raise_error` raises it again.
        except (OSError, Error, ReaderGone) as error:
            self._error = error

    def _pull(self, source: Source) -> None:
        block = np.zeros((round(BLOCK_S * self._rate_hz), self._channels), np.float32)
        block_s = len(block) / self._rate_hz / FASTER
        due_s = time.monotonic() - AHEAD_S
        while not source.finished:
            if self._closing.wait(max(0.0, due_s - time.monotonic())):
                return
            # After a long wait, at most AHEAD_S of audio is written without a pause.
            due_s = max(due_s, time.monotonic() - AHEAD_S) + block_s
            source.fill(block)
            self._write(block)
