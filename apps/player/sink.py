"""What a performance is heard through: the one interface, and what keeps time without a card."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

import numpy as np

from soundstage.audio.standard_output import ReaderGone
from soundstage.errors import Error

# As much as a sound card's buffer: what is with the reader already when the next block is due.
AHEAD_S = 0.2
BLOCK_S = 0.02
# Any player's clock is slower than this, so that the player itself decides on the pace.
FASTER = 1.001


class Source(Protocol):
    """Where the samples come from. `apps.player.ring.Ring` is one."""

    @property
    def finished(self) -> bool:
        """Whether there is nothing more to hear."""
        ...

    def fill(self, out: np.ndarray) -> None:
        """Writes the next samples into `out`, float32 [sample, channel], without waiting."""
        ...


class Sink(Protocol):
    """What pulls samples from a source at the pace of time.

    Attributes:
        name: what it is, for people.
        late_blocks: blocks that came too late for the device itself, whoever is to blame.
    """

    name: str
    late_blocks: int

    def start(self, source: Source) -> None:
        """Begins to pull; returns at once.

        Raises:
            OutputError: the device cannot be opened.
        """
        ...

    @property
    def fault(self) -> Exception | None:
        """Why it does not pull any more; `ReaderGone` if who listened has left."""
        ...

    @property
    def over(self) -> bool:
        """Whether it does not pull any more: all has been heard, or there is a fault."""
        ...

    def close(self) -> None:
        """Ends, now."""
        ...


class Paced:
    """Pulls as a sound card would, by the clock, and hands blocks to what writes them.

    A writer that takes its time, such as a pipe to a player, sets the pace; one that takes all at
    once, such as a file, gets it in real time.
    """

    def __init__(
        self, name: str, write: Callable[[np.ndarray], None], sample_rate_hz: int, channels: int
    ) -> None:
        """Prepares; nothing is pulled yet.

        Args:
            name: what it is, for people.
            write: takes float32 [sample, channel]; may wait, and may raise what it likes.
            sample_rate_hz: samples per second and channel.
            channels: audio channels.
        """
        self.name = name
        self.late_blocks = 0
        self._write = write
        self._rate_hz = sample_rate_hz
        self._channels = channels
        self._closing = threading.Event()
        self._fault: Exception | None = None
        self._thread: threading.Thread | None = None

    def start(self, source: Source) -> None:
        """Begins to pull; returns at once."""
        # A daemon, since a player that takes nothing any more must not keep the process.
        self._thread = threading.Thread(target=self._run, args=(source,), name="sink", daemon=True)
        self._thread.start()

    @property
    def fault(self) -> Exception | None:
        """Why it does not pull any more."""
        return self._fault

    @property
    def over(self) -> bool:
        """Whether it does not pull any more."""
        return self._thread is not None and not self._thread.is_alive()

    def close(self) -> None:
        """Ends; waits for the block that is being written, but not for ever."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(timeout=5.0)

    def _run(self, source: Source) -> None:
        try:
            self._pull(source)
        # The outermost frame of the thread: who plays tells it, and ends.
        except (OSError, Error, ReaderGone) as error:
            self._fault = error

    def _pull(self, source: Source) -> None:
        block = np.zeros((round(BLOCK_S * self._rate_hz), self._channels), np.float32)
        block_s = len(block) / self._rate_hz / FASTER
        due_s = time.monotonic() - AHEAD_S
        while not source.finished:
            if self._closing.wait(max(0.0, due_s - time.monotonic())):
                return
            # Who was kept waiting for long is not in a hurry afterwards.
            due_s = max(due_s, time.monotonic() - AHEAD_S) + block_s
            source.fill(block)
            self._write(block)
