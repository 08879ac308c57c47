"""Spans: when each stage waited, read, computed and wrote."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["queue", "transfer", "compute", "reuse"]

# perf_counter never runs backwards, as the system's clock may; counted from the epoch, so that the
# times of two processes are comparable.
_ORIGIN_S = time.time() - time.perf_counter()


def now_s() -> float:
    """Returns the seconds since the epoch; never runs backwards within a process."""
    return _ORIGIN_S + time.perf_counter()


@dataclass(frozen=True)
class Span:
    """A period in which one stage did one kind of work.

    Spans of one stage and replica do not overlap.

    Attributes:
        stage: the stage's name in the pipeline.
        replica: the number of the stage's process or thread, from 0.
        tick: the chunk index of the tick's first row.
        kind: "queue" = waiting for the tick's inputs; "transfer" = reading messages into arrays or
            writing arrays into a message, and moving them between processes; "compute" = the
            stage's call; "reuse" = finding an earlier output of equal inputs. In one process
            nothing is transferred. The call of a stage with `device_arrays` may end before its
            device has.
        start_s: `now_s()` at the start.
        end_s: `now_s()` at the end, at least `start_s`.
    """

    stage: str
    replica: int
    tick: int
    kind: Kind
    start_s: float
    end_s: float

    @property
    def seconds(self) -> float:
        """The length of the span."""
        return self.end_s - self.start_s


class SpanRecorder:
    """Records the spans of one stage in one tick.

    Attributes:
        spans: the finished spans, in order.
    """

    def __init__(self, stage: str, replica: int, tick: int) -> None:
        self.spans: list[Span] = []
        self._stage, self._replica, self._tick = stage, replica, tick

    @contextmanager
    def measure(self, kind: Kind) -> Iterator[None]:
        """Records the block as a span; records nothing if the block raises."""
        start_s = now_s()
        yield
        self.add(kind, start_s, now_s())

    def add(self, kind: Kind, start_s: float, end_s: float) -> None:
        """Records a span that was measured by the caller."""
        self.spans.append(Span(self._stage, self._replica, self._tick, kind, start_s, end_s))
