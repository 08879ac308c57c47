"""A host: builds one stage, and calls it for every tick."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from soundstage.errors import Error, StageError
from soundstage.graph import wire
from soundstage.graph.format import Format
from soundstage.graph.plan import Node
from soundstage.graph.port import Tensor, array_bytes
from soundstage.runners.memo import MemoError, Memos
from soundstage.runners.runner import StageFailed, StageNotBuilt
from soundstage.runners.spans import Span, SpanRecorder, now_s

if TYPE_CHECKING:
    import jax
    import pyarrow as pa

# Recent outputs to keep: a session and its branches take turns, and each reuses its last one.
REMEMBERED = 4
# The most bytes of inputs to keep with them; audio prompts are large.
MOST_REMEMBERED_BYTES = 128 << 20


@dataclass(frozen=True)
class Answer:
    """The result of a stage for one tick.

    Attributes:
        buffer: the stage's outputs as a message.
        seconds: the time of the stage's call; 0.0 if an earlier output was reused.
        reused: whether an earlier output was reused.
        spans: the spans from the inputs to the message.
    """

    buffer: pa.Buffer
    seconds: float
    reused: bool
    spans: tuple[Span, ...]


class Host:
    """One built stage.

    Stages are pure: if the input bytes equal those of a recent call, the host reuses its output.
    So the style stages are idle while no prompt changes.
    """

    def __init__(
        self,
        node: Node,
        format: Format,
        device: jax.Device | None,
        replica: int = 0,
        remembered: int = REMEMBERED,
    ):
        """Builds the stage.

        Args:
            node: the stage's node in the graph.
            format: the music format.
            device: the stage's device; None if it uses none.
            replica: the number of this host among those of the stage, from 0, for its spans.
            remembered: the number of recent outputs to keep, and of memos.

        Raises:
            StageNotBuilt: the stage's constructor raised an error.
            Error: an error of soundstage that the constructor raised, such as `WeightsError`.
        """
        self.node = node
        self.replica = replica
        self.dims = format.dims
        self.stage = _built(node, format, device)
        self._recent: deque[tuple[dict[str, Tensor], dict[str, Tensor]]] = deque(maxlen=remembered)
        self._memos = Memos.of(self.stage, remembered)
        # Warm-up and several sessions may call from different threads.
        self._lock = threading.Lock()

    @property
    def weights(self) -> dict[str, str] | None:
        """Digest and note of the stage's weights, for provenance; None if it has none.

        Raises:
            StageError: the stage raised an error.
        """
        try:
            digest = getattr(self.stage, "weights_digest", "")
            note = getattr(self.stage, "weights_note", "")
        # A property may raise anything; the error gets the stage's name.
        except Exception as error:
            what = f"stage {self.node.name!r}: its weights_digest or weights_note raised"
            raise StageError(f"{what} {_described(error)}") from error
        return {"digest": str(digest), "note": str(note)} if digest else None

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
            StageFailed: the stage raised an error, or its outputs do not fit its ports.
        """
        recorder = SpanRecorder(self.node.name, self.replica, chunks[0])
        with self._lock:
            start_s = now_s()
            outputs = self._recall(inputs)
            reused = outputs is not None
            if outputs is None:
                outputs = self._call(inputs, chunks)
                self._remember(dict(inputs), outputs)
            recorder.add("reuse" if reused else "compute", start_s, now_s())
        seconds = 0.0 if reused else recorder.spans[0].seconds
        try:
            with recorder.measure("transfer"):
                buffer = wire.encode(self.node.outputs, outputs, streams, chunks, self.dims)
        except wire.WireError as error:
            raise StageFailed(self.node.name, chunks, str(error)) from error
        # What a stage returns may be anything, and fail in any way.
        except Exception as error:
            reason = f"its outputs cannot be encoded: {_described(error)}"
            raise StageFailed(self.node.name, chunks, reason) from error
        return Answer(buffer, seconds, reused, tuple(recorder.spans))

    def _recall(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
        for known, outputs in self._recent:
            if all(wire.equal(known[name], value) for name, value in inputs.items()):
                return outputs
        return None

    def _remember(self, inputs: dict[str, Tensor], outputs: dict[str, Tensor]) -> None:
        self._recent.append((inputs, outputs))
        while len(self._recent) > 1 and self.remembered_bytes > MOST_REMEMBERED_BYTES:
            self._recent.popleft()

    @property
    def remembered_bytes(self) -> int:
        """The bytes of the inputs of the recent outputs that are kept."""
        return sum(array_bytes(inputs) for inputs, _ in self._recent)

    def _call(self, inputs: Mapping[str, Any], chunks: tuple[int, ...]) -> dict[str, Tensor]:
        try:
            outputs = self._memos.call(inputs) if self._memos else self.stage(**inputs)
        except KeyboardInterrupt:
            raise
        except MemoError as error:
            raise StageFailed(self.node.name, chunks, str(error)) from error
        # A stage may raise anything; the error gets the stage's name and the chunk.
        except BaseException as error:
            raise StageFailed(self.node.name, chunks, _described(error)) from error
        if not isinstance(outputs, dict):
            kind = type(outputs).__name__
            reason = (
                f"it returned {kind}, not a dict of its outputs: {', '.join(self.node.outputs)}"
            )
            raise StageFailed(self.node.name, chunks, reason)
        return outputs


def _built(node: Node, format: Format, device: jax.Device | None) -> Any:
    try:
        return node.cls(node.params, format, device)
    except (Error, KeyboardInterrupt):
        raise
    # A constructor may raise anything; the error gets the stage's name.
    except BaseException as error:
        what = f"stage {node.name!r}: {node.use} cannot be built: {_described(error)}"
        raise StageNotBuilt(what) from error


def _described(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
