"""When a chunk is needed, by a monotonic clock: what a listener who keeps time would hear."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass
class Schedule:
    """One stream's time table.

    The first chunk behind a start is needed at once; each of those that follow is needed when the
    one before it has been heard. A chunk is wanted, and not made before, so long ahead of that:
    the longer, the safer, and the later a listener hears what was steered.

    Attributes:
        chunk_s: how much music a chunk is, in seconds.
        ahead_s: how long before it is needed a chunk is wanted; None = pace "fast": chunks are
            wanted at any time and never needed.
        needed_s: when the next chunk is needed; None = it is the first and needed at once.
        asked_s: when the stream was started.
    """

    chunk_s: float
    ahead_s: float | None
    needed_s: float | None = None
    asked_s: float = 0.0
    _stopped_s: float | None = None

    @property
    def wanted_s(self) -> float:
        """From when on the next chunk is to be made; minus infinity = at once."""
        if self.ahead_s is None or self.needed_s is None:
            return -math.inf
        return self.needed_s - self.ahead_s

    @property
    def deadline_s(self) -> float:
        """What the next chunk's urgency is measured by.

        A start counts as any other chunk from the moment it is asked for: many listeners who start
        together wait for each other, but nobody who listens already waits for them beyond its time.
        """
        if self.ahead_s is None:
            return math.inf
        return self.asked_s + self.ahead_s if self.needed_s is None else self.needed_s

    def start(self, now_s: float) -> None:
        """Begins to play: at once, or where the music was held."""
        self.asked_s = now_s
        if self._stopped_s is not None and self.needed_s is not None:
            self.needed_s += now_s - self._stopped_s
        self._stopped_s = None

    def stop(self, now_s: float, hold: bool) -> None:
        """Plays no more.

        Args:
            now_s: when.
            hold: whether the listener keeps what it has not heard and goes on with it later; else
                the next start is as the first.
        """
        self._stopped_s = now_s if hold else None
        if not hold:
            self.needed_s = None

    def restart(self, now_s: float) -> None:
        """The next chunk is needed at once."""
        self.asked_s, self.needed_s = now_s, None

    def give_way(self, now_s: float) -> None:
        """The listener held the stream up until now: what is behind is not late for that."""
        if self.ahead_s is not None and self.wanted_s < now_s and self.needed_s is not None:
            self.needed_s = now_s + self.ahead_s

    def made(self, now_s: float) -> float | None:
        """A chunk is there.

        Returns:
            How long before it was needed, in seconds; below 0 it is late, and whoever hears it
            hears all that follows so much later. None = needed at once, or never.
        """
        if self.ahead_s is None:
            return None
        if self.needed_s is None:
            self.needed_s = now_s + self.chunk_s
            return None
        slack_s = self.needed_s - now_s
        self.needed_s = max(self.needed_s, now_s) + self.chunk_s
        return slack_s
