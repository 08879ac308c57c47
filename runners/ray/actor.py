"""The Ray actor: one replica of a stage in its own process."""

from __future__ import annotations

import os
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ray import cloudpickle

from soundstage.graph.declaration import uses_device
from soundstage.graph.format import Format
from soundstage.runners.compilation import use_compilation_cache
from soundstage.runners.devices import find_device
from soundstage.runners.hosts.host import Host
from soundstage.runners.ray.process_settings import ProcessSettings
from soundstage.runners.runner import StageFailed
from soundstage.runners.spans import Span, SpanRecorder, now_s
from soundstage.runners.wiring import Wiring, origins

if TYPE_CHECKING:
    import jax
    import pyarrow as pa

# The concurrency group of short calls, which run in parallel with the computing ones.
SHORT_CALLS = "short_calls"
# How many of the last cancelled ticks an actor remembers.
CANCELLED = 64


@dataclass(frozen=True)
class StageCall:
    """A request to a replica for one tick, without the messages that it reads.

    Attributes:
        streams: one name a row of the whole tick.
        chunks: one chunk index a row of the whole tick.
        rows: the rows of this replica: the first, and the one after the last.
        parts: the number of buffers of each of the stage's origins, in their order.
        number: the number of the tick in flight, to cancel it by.
        sent_s: when the driver sent the request, by `runners.spans.now_s`.
    """

    streams: tuple[str, ...]
    chunks: tuple[int, ...]
    rows: tuple[int, int]
    parts: tuple[int, ...]
    number: int
    sent_s: float


@dataclass(frozen=True)
class StageReport:
    """The report on an answer, without its message.

    Attributes:
        seconds: the time of the stage's call; 0.0 if an earlier output was reused.
        spans: the spans of the replica.
        failure: why there is no message. It is returned, not raised, as Ray prints the traceback
            of every error whose result is not fetched.
    """

    seconds: float = 0.0
    spans: tuple[Span, ...] = ()
    failure: StageFailed | None = None


class StageActor:
    """One replica of one stage.

    The actor has no state that matters: if its process dies, Ray restarts it with the same
    arguments, and the same request gives the same bytes again. The stage is built at its first use,
    so that an error of its constructor reaches the caller and does not restart the actor forever.

    Args:
        settings: of the process; applied first.
        wiring: a pickled `Wiring`: the module of its stage is found by the settings.
        format: the music format.
        platform: the kind of device that the stage uses.
        replica: the number of the replica, from 0.
        remembered: the number of answers that the stage keeps if only controls feed it.
    """

    def __init__(
        self,
        settings: ProcessSettings,
        wiring: bytes,
        format: Format,
        platform: str,
        replica: int,
        remembered: int,
    ) -> None:
        settings.apply()
        self._wiring: Wiring = cloudpickle.loads(wiring)
        self._format = format
        self._platform = platform
        self._replica = replica
        self._remembered = remembered
        self._host: Host | None = None
        self._idle_since_s = now_s()
        self._cancelled: deque[int] = deque(maxlen=CANCELLED)
        self._answered = False

    def build(self) -> dict[str, str] | None:
        """Builds the stage if it is not built; returns digest and note of its weights.

        Raises:
            NoDevice: JAX cannot use the device of the actor's platform.
            Exception: any error of the stage's constructor.
        """
        return self._built().weights

    def process_id(self) -> int:
        """Returns the id of the actor's current process."""
        return os.getpid()

    def is_ready(self) -> bool:
        """Whether the actor has answered before, so that all is built and compiled."""
        return self._answered

    def cancel(self, number: int) -> None:
        """Skips all later calls of a cancelled tick.

        Runs in parallel with `answer`. Ray's own cancellation leaves a gap in the order of calls,
        and the actor would wait for the missing call forever.
        """
        self._cancelled.append(number)

    def answer(
        self, request: StageCall, *buffers: pa.Buffer | None
    ) -> tuple[pa.Buffer | None, StageReport]:
        """Runs the stage for its rows of one tick.

        Args:
            request: the request.
            buffers: the messages of every origin, one for each of its replicas; None where an
                origin failed.

        Returns:
            The stage's message, or None if the stage or an origin failed, and the report.
        """
        present = [buffer for buffer in buffers if buffer is not None]
        if len(present) < len(buffers) or request.number in self._cancelled:
            return None, StageReport()
        try:
            return self._answer(request, present)
        except StageFailed as failure:
            # Without the cause, whose class may not be picklable; the reason has its text.
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
        answer = host.answer(inputs, chunks)
        with recorder.measure("transfer"):
            buffer = host.encode(answer, streams, chunks)
        self._idle_since_s = now_s()
        self._answered = True
        spans = (*recorder.spans[:2], *filter(None, [answer.span]), *recorder.spans[2:])
        return buffer, StageReport(answer.seconds, spans)

    def _built(self) -> Host:
        if self._host is None:
            node = self._wiring.node
            self._host = Host(node, self._format, self._device(), self._replica, self._remembered)
        return self._host

    def _device(self) -> jax.Device | None:
        if self._platform == "cpu" and not uses_device(self._wiring.node.cls):
            return None  # JAX, which takes a second and 150 MB, is not loaded
        use_compilation_cache()
        return find_device(self._platform)
