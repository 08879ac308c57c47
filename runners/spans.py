"""What each stage did when: stretches of time on one clock, gathered while it happens."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["queue", "transfer", "compute", "reuse"]

# Steady within a process, as a real clock may be set back; from the epoch, as the steady clocks of
# two processes need not have started together.
_ORIGIN_S = time.time() - time.perf_counter()


def now_s() -> float:
    """Seconds since the epoch, never running backwards within a process."""
    return _ORIGIN_S + time.perf_counter()


@dataclass(frozen=True)
class Span:
    """A stretch of time in which one stage did one thing.

    Spans of one stage and replica do not overlap.

    Attributes:
        stage: its name in the pipeline.
        replica: which of the stage's processes or threads it was, from 0; 0 when there is one.
        tick: the chunk index of the first row of the tick it was for.
        kind: "queue" = idle until the tick's inputs were there; "transfer" = reading messages
            into arrays or writing arrays into a message, and moving them between processes;
            "compute" = the stage's own call; "reuse" = found that an earlier answer fits.
        start_s: `now_s()` at its beginning.
        end_s: `now_s()` at its end, at least `start_s`.
    """

    stage: str
    replica: int
    tick: int
    kind: Kind
    start_s: float
    end_s: float

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.end_s - self.start_s


class SpanRecorder:
    """Gathers what one stage does in one tick.

    Attributes:
        spans: what is over so far, in order.
    """

    def __init__(self, stage: str, replica: int, tick: int) -> None:
        self.spans: list[Span] = []
        self._stage, self._replica, self._tick = stage, replica, tick

    @contextmanager
    def measure(self, kind: Kind) -> Iterator[None]:
        """Records the block's time; nothing if it raises."""
        start_s = now_s()
        yield
        self.add(kind, start_s, now_s())

    def add(self, kind: Kind, start_s: float, end_s: float) -> None:
        """Records what was measured elsewhere, e.g. a kind known only when it was over."""
        self.spans.append(Span(self._stage, self._replica, self._tick, kind, start_s, end_s))
