"""One replica of a stage in a process of its own: messages in, messages out."""

from __future__ import annotations

import os
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from soundstage.graph.format import Format
from soundstage.runners.compilation import use_compilation_cache
from soundstage.runners.devices import find_device
from soundstage.runners.host import Host
from soundstage.runners.runner import StageFailed
from soundstage.runners.spans import Span, SpanRecorder, now_s
from soundstage.runners.wiring import Wiring, origins

if TYPE_CHECKING:
    import pyarrow as pa

# The group of calls that run beside those that compute.
ASIDE = "aside"
GIVEN_UP = 64


@dataclass(frozen=True)
class StageCall:
    """What a replica is asked to do in one tick, beside the messages that it reads.

    Attributes:
        streams: one name a row of the whole tick.
        chunks: one chunk index a row of the whole tick.
        rows: the rows this replica makes, as first and behind the last.
        parts: how many of the buffers belong to each of the stage's origins, in their order.
        flight: the number of the tick under way, to give it up by.
        sent_s: when the driver asked, on the clock of `runners.spans.now_s`.
    """

    streams: tuple[str, ...]
    chunks: tuple[int, ...]
    rows: tuple[int, int]
    parts: tuple[int, ...]
    flight: int
    sent_s: float


@dataclass(frozen=True)
class StageReport:
    """What there is to tell of an answer beside its message.

    Attributes:
        seconds: how long the stage took; 0.0 when its last output was reused.
        spans: what happened when.
        failure: why there is no message; a value rather than raised, since Ray prints the
            traceback of whatever nobody asks for.
    """

    seconds: float = 0.0
    spans: tuple[Span, ...] = ()
    failure: StageFailed | None = None


class StageActor:
    """Answers for one replica of one stage.

    It is given everything it needs at birth and keeps nothing that matters: when its process dies,
    another is made with the same arguments, and asked the same again it gives the same bytes. The
    stage itself is built when it is first needed, so that a fault of its constructor is told to
    who asks rather than tried again for ever.
    """

    def __init__(
        self, wiring: Wiring, format: Format, platform: str, replica: int, remembered: int
    ) -> None:
        self._wiring = wiring
        self._format = format
        self._platform = platform
        self._replica = replica
        self._remembered = remembered
        self._host: Host | None = None
        self._idle_since_s = now_s()
        self._given_up: deque[int] = deque(maxlen=GIVEN_UP)
        self._answered = False

    def build(self) -> dict[str, str] | None:
        """Builds the stage, if that has not been done; digest and note of its weights."""
        return self._built().weights

    def process_id(self) -> int:
        """The process that this actor lives in at present."""
        return os.getpid()

    def is_ready(self) -> bool:
        """Whether it has answered before, so that nothing is left to build or to compile."""
        return self._answered

    def give_up(self, flight: int) -> None:
        """Does not begin what belongs to a tick that nobody waits for any more.

        Runs beside `answer`. Ray's own cancelling leaves a gap in the order of calls, at which an
        actor then waits for ever.
        """
        self._given_up.append(flight)

    def answer(
        self, request: StageCall, *buffers: pa.Buffer | None
    ) -> tuple[pa.Buffer | None, StageReport]:
        """Runs the stage for its rows of one tick.

        Args:
            request: what to do.
            buffers: the messages of every origin, the parts of one behind each other; None where
                an origin failed.

        Returns:
            The stage's message, or None when it failed or an origin did, and what to tell of it.
        """
        present = [buffer for buffer in buffers if buffer is not None]
        if len(present) < len(buffers) or request.flight in self._given_up:
            return None, StageReport()
        try:
            return self._answer(request, present)
        except StageFailed as failure:
            # The cause may be of a class that does not travel; its text is in the reason.
            return None, StageReport(
                failure=StageFailed(failure.stage, failure.chunks, failure.reason)
            )

    def _answer(
        self, request: StageCall, buffers: list[pa.Buffer]
    ) -> tuple[pa.Buffer, StageReport]:
        host = self._built()
        rows = slice(*request.rows)
        streams, chunks = request.streams[rows], request.chunks[rows]
        recorder = SpanRecorder(self._wiring.node.name, self._replica, chunks[0])
        start_s = now_s()
        recorder.add("queue", min(start_s, max(self._idle_since_s, request.sent_s)), start_s)
        with recorder.measure("transfer"):
            remaining = iter(buffers)
            messages = {
                origin: [next(remaining) for _ in range(parts)]
                for origin, parts in zip(origins(self._wiring.node), request.parts, strict=True)
            }
            inputs = self._wiring.gather(messages, request.chunks, rows)
        answer = host.answer(inputs, streams, chunks)
        self._idle_since_s = now_s()
        self._answered = True
        return answer.buffer, StageReport(answer.seconds, (*recorder.spans, *answer.spans))

    def _built(self) -> Host:
        if self._host is None:
            use_compilation_cache()
            device = find_device(self._platform)
            self._host = Host(
                self._wiring.node, self._format, device, self._replica, self._remembered
            )
        return self._host
