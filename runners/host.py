"""A stage's host: builds it once, then answers messages with messages."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from soundstage.graph import wire
from soundstage.graph.format import Format
from soundstage.graph.plan import Node
from soundstage.graph.port import Tensor
from soundstage.runners.runner import StageFailed
from soundstage.runners.spans import Span, SpanRecorder, now_s

if TYPE_CHECKING:
    import jax
    import pyarrow as pa

# Streams that share a stage by turns (a session and its branches) each want their last answer.
REMEMBERED = 4


@dataclass(frozen=True)
class Answer:
    """What a host says.

    Attributes:
        buffer: the stage's outputs as a message.
        seconds: how long the stage took; 0.0 when its last output was reused.
        reused: whether it was.
        spans: what happened when, from the inputs to the message.
    """

    buffer: pa.Buffer
    seconds: float
    reused: bool
    spans: tuple[Span, ...]


class Host:
    """Holds one built stage.

    Stages are pure, so when the input bytes equal those of a recent call its output is given
    again instead of computed. That is what keeps the style stages idle while no prompt changes.
    """

    def __init__(
        self,
        node: Node,
        format: Format,
        device: jax.Device,
        replica: int = 0,
        remembered: int = REMEMBERED,
    ):
        """Builds the stage.

        Args:
            node: the stage's place in the graph.
            format: the music format.
            device: where it runs.
            replica: which of the stage's hosts this is, from 0, for its spans.
            remembered: how many of the last answers are kept.

        Raises:
            Exception: whatever the stage's constructor raises.
        """
        self.node = node
        self.replica = replica
        self.dims = format.dims
        self.stage = node.cls(node.params, format, device)
        self._recent: deque[tuple[dict[str, Tensor], dict[str, Tensor]]] = deque(maxlen=remembered)
        # Warm-up and several sessions may call from different threads.
        self._lock = threading.Lock()

    @property
    def weights(self) -> dict[str, str] | None:
        """The stage's weights for provenance: digest and note, or None when it has none."""
        digest = getattr(self.stage, "weights_digest", "")
        return {"digest": digest, "note": self.stage.weights_note} if digest else None

    def answer(
        self,
        inputs: Mapping[str, Tensor],
        streams: tuple[str, ...],
        chunks: tuple[int, ...],
    ) -> Answer:
        """Runs the stage for one tick.

        Args:
            inputs: a value for each input port; arrays are read-only.
            streams: one name a row.
            chunks: one chunk index a row.

        Raises:
            StageFailed: the stage raised, or its outputs do not fit its ports.
        """
        recorder = SpanRecorder(self.node.name, self.replica, chunks[0])
        with self._lock:
            start_s = now_s()
            outputs = self._recall(inputs)
            reused = outputs is not None
            if outputs is None:
                outputs = self._call(inputs, chunks)
                self._recent.append((dict(inputs), outputs))
            recorder.add("reuse" if reused else "compute", start_s, now_s())
        seconds = 0.0 if reused else recorder.spans[0].seconds
        try:
            with recorder.measure("transfer"):
                buffer = wire.encode(self.node.outputs, outputs, streams, chunks, self.dims)
        except wire.WireError as error:
            raise StageFailed(self.node.name, chunks, str(error)) from error
        return Answer(buffer, seconds, reused, tuple(recorder.spans))

    def _recall(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
        for known, outputs in self._recent:
            if all(wire.equal(known[name], value) for name, value in inputs.items()):
                return outputs
        return None

    def _call(self, inputs: Mapping[str, Any], chunks: tuple[int, ...]) -> dict[str, Tensor]:
        try:
            return self.stage(**inputs)
        # The outermost frame around foreign code: whatever it raises is reported with its place.
        except Exception as error:
            reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            raise StageFailed(self.node.name, chunks, reason) from error
