"""When the chunks of a stream are needed, by a monotonic clock, if it is played in real time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

from soundstage.runners.timing.realtime import COMFORTABLE

# realtime: a chunk is needed every `chunk_s`. fast: non-realtime, as quickly as chunks are read.
Pace: TypeAlias = Literal["realtime", "fast"]


@dataclass
class Schedule:
    """One stream's time table.

    The first chunk after a start is needed at once. Each later chunk is needed when the one before
    it has been heard. A chunk is wanted, and not made before, `ahead_s` seconds before its need:
    the longer, the safer, and the later a change is heard.

    Attributes:
        chunk_s: the length of a chunk in seconds.
        ahead_s: how long before its need a chunk is wanted; None = non-realtime: chunks are wanted
            at any time and never needed.
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
        """When the next chunk is to be made at the earliest; minus infinity = at once."""
        if self.ahead_s is None or self.needed_s is None:
            return -math.inf
        return self.needed_s - self.ahead_s

    @property
    def deadline_s(self) -> float:
        """The time that tells how urgent the next chunk is; infinity = not at all.

        A first chunk is as urgent as one that is needed `ahead_s` after the start: many streams
        that start together wait for each other, and do not make a stream late that plays already.
        """
        if self.ahead_s is None:
            return math.inf
        return self.asked_s + self.ahead_s if self.needed_s is None else self.needed_s

    def after_next_wanted_s(self, tick_s: float) -> float:
        """Returns when the chunk after the next one is to be begun at the earliest.

        If ticks take so long that it would be late, it is wanted earlier, at most by a chunk.

        Args:
            tick_s: how long a tick usually takes.

        Returns:
            Infinity = not before the next chunk is made: that is the first, or the stream is
            non-realtime.
        """
        if self.ahead_s is None or self.needed_s is None:
            return math.inf
        lead_s = max(self.ahead_s, min(COMFORTABLE * tick_s, self.ahead_s + self.chunk_s))
        return self.needed_s + self.chunk_s - lead_s

    def start(self, now_s: float) -> None:
        """Starts to play: at once, or where the music was held."""
        self.asked_s = now_s
        if self._stopped_s is not None and self.needed_s is not None:
            self.needed_s += now_s - self._stopped_s
        self._stopped_s = None

    def stop(self, now_s: float, hold: bool) -> None:
        """Stops playing.

        Args:
            now_s: the time.
            hold: whether the client keeps what it has not played and goes on with it later;
                otherwise the next start is like the first.
        """
        self._stopped_s = now_s if hold else None
        if not hold:
            self.needed_s = None

    def restart(self, now_s: float) -> None:
        """Makes the next chunk the first, needed at once."""
        self.asked_s, self.needed_s = now_s, None

    def forgive(self, now_s: float) -> None:
        """Postpones the next need, for until now the client had left too many chunks unread."""
        if self.ahead_s is not None and self.wanted_s < now_s and self.needed_s is not None:
            self.needed_s = now_s + self.ahead_s

    def advance(self, now_s: float) -> float | None:
        """Moves on to the next chunk, for one has just been made.

        Returns:
            How long before its need it was made, in seconds. Below 0 it is late, and all later
            chunks are heard so much later. None = needed at once, or never.
        """
        if self.ahead_s is None:
            return None
        if self.needed_s is None:
            self.needed_s = now_s + self.chunk_s
            return None
        slack_s = self.needed_s - now_s
        self.needed_s = max(self.needed_s, now_s) + self.chunk_s
        return slack_s
