"""A stage's host: builds it once, then answers messages with messages."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from graph import wire
from graph.format import Format
from graph.plan import Node
from graph.port import Tensor
from runners.runner import StageFailed

if TYPE_CHECKING:
    import jax
    import pyarrow as pa

# Streams that share a stage by turns (a session and its branches) each want their last answer.
REMEMBERED = 4


@dataclass(frozen=True)
class Answer:
    """What a host says: the stage's outputs as a message, and how long it took in seconds."""

    buffer: pa.Buffer
    seconds: float
    reused: bool


class Host:
    """Holds one built stage.

    Stages are pure, so when the input bytes equal those of a recent call its output is given
    again instead of computed. That is what keeps the style stages idle while no prompt changes.
    """

    def __init__(self, node: Node, format: Format, device: jax.Device):
        self.node = node
        self.dims = format.dims
        self.stage = node.cls(node.params, format, device)
        self._recent: deque[tuple[dict[str, Tensor], dict[str, Tensor]]] = deque(maxlen=REMEMBERED)
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
        with self._lock:
            start = time.perf_counter()
            outputs = self._recall(inputs)
            reused = outputs is not None
            if outputs is None:
                outputs = self._call(inputs, chunks)
                self._recent.append((dict(inputs), outputs))
            seconds = 0.0 if reused else time.perf_counter() - start
        try:
            buffer = wire.encode(self.node.outputs, outputs, streams, chunks, self.dims)
        except wire.WireError as error:
            raise StageFailed(self.node.name, chunks, str(error)) from error
        return Answer(buffer, seconds, reused)

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
