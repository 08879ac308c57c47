"""A host: builds one stage, and calls it for every tick."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from soundstage.errors import Error, StageError
from soundstage.graph import wire
from soundstage.graph.format import Format
from soundstage.graph.plan import Node
from soundstage.graph.port import Port, Tensor, array_bytes
from soundstage.graph.wire import Layout
from soundstage.runners.hosts.device_arrays import DeviceArrays, on_host
from soundstage.runners.hosts.memo import MemoError, Memos
from soundstage.runners.hosts.ownership import own
from soundstage.runners.hosts.same_values import difference, not_finite
from soundstage.runners.runner import StageFailed, StageNotBuilt
from soundstage.runners.spans import Kind, Span, now_s

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
        values: by output port, its value; arrays are read-only, and may be on the device if the
            stage's class says so.
        seconds: the time of the stage's call; 0.0 if an earlier output was reused.
        span: the call, or the reuse; None for values that no call made.
    """

    values: Mapping[str, Tensor]
    seconds: float
    span: Span | None = None


@dataclass(frozen=True)
class _Call:
    """A recent call: its inputs, of so many bytes, and its outputs."""

    inputs: Mapping[str, Tensor]
    outputs: Mapping[str, Tensor]
    bytes: int


class Host:
    """One built stage.

    Stages are pure: if the input bytes equal those of a recent call, the host reuses its output.
    So the style stages are idle while no prompt changes.

    Attributes:
        node: the stage's node in the graph.
        stage: the built stage.
        remembered_bytes: the bytes of the inputs of the recent outputs that are kept.
        lock: held during a call; a caller that holds it longer measures without gaps.
    """

    def __init__(
        self,
        node: Node,
        format: Format,
        device: jax.Device | None,
        replica: int = 0,
        remembered: int = REMEMBERED,
        validate: bool = False,
    ):
        """Builds the stage.

        Args:
            node: the stage's node in the graph.
            format: the music format.
            device: the stage's device; None if it uses none.
            replica: the number of this host among those of the stage, from 0, for its spans.
            remembered: the number of recent outputs to keep, and of memos.
            validate: whether the stage is called twice, the second time with a rebuilt memo, and
                the outputs and memos are compared and must be finite: an aid to find mistakes,
                which takes twice the time.

        Raises:
            StageNotBuilt: the stage's constructor raised an error.
            Error: an error of soundstage that the constructor raised, such as `WeightsError`.
        """
        self.node = node
        self.replica = replica
        self.dims = format.dims
        self.stage = _built(node, format, device)
        self._validate = validate
        self.lock = threading.RLock()  # warm-up and several sessions may call at once
        # Unequal inputs mostly differ in a small one, such as the index of the chunk.
        self._small_first = sorted(node.inputs, key=lambda name: _size(node.inputs[name], format))
        self._outputs = Layout(node.outputs, format.dims)
        self._arrays = DeviceArrays.of(node.cls, device)
        self._recent: deque[_Call] = deque(maxlen=remembered)
        self.remembered_bytes = 0
        self._memos = Memos.of(self.stage, remembered, self._arrays.given)

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

    def answer(self, inputs: Mapping[str, Tensor], chunks: tuple[int, ...]) -> Answer:
        """Runs the stage for one tick.

        Args:
            inputs: a value for each input port; arrays are read-only, and never change.
            chunks: one chunk index a row.

        Raises:
            StageFailed: the stage raised an error, or its outputs do not fit its ports.
        """
        with self.lock:
            start_s = now_s()
            values = self._recall(inputs)
            if values is not None:
                return Answer(values, 0.0, self._span("reuse", chunks, start_s, now_s()))
            values = self._call(inputs, chunks)
            self._check(values, chunks)
            if self._validate:
                self._compare(values, inputs, chunks)
            self._remember(inputs, values)
            if self._memos is not None:
                self._memos.keep(values)
            end_s = now_s()
        return Answer(values, end_s - start_s, self._span("compute", chunks, start_s, end_s))

    def encode(
        self, answer: Answer, streams: tuple[str, ...], chunks: tuple[int, ...]
    ) -> pa.Buffer:
        """Returns an answer's values as a message.

        Args:
            answer: what `answer` returned.
            streams: one name a row.
            chunks: one chunk index a row.
        """
        values = on_host(answer.values)
        return wire.encode(self.node.outputs, values, streams, chunks, self.dims)

    def _span(self, kind: Kind, chunks: tuple[int, ...], start_s: float, end_s: float) -> Span:
        return Span(self.node.name, self.replica, chunks[0], kind, start_s, end_s)

    def _check(self, values: Mapping[str, Any], chunks: tuple[int, ...]) -> None:
        """Refuses values that do not fit the stage's ports.

        Raises:
            StageFailed: they do not.
        """
        try:
            self._outputs.check(values, len(chunks), self._arrays.classes)
        except wire.WireError as error:
            raise StageFailed(self.node.name, chunks, str(error)) from error
        # What a stage returns may be anything, and fail in any way.
        except Exception as error:
            reason = f"its outputs cannot be encoded: {_described(error)}"
            raise StageFailed(self.node.name, chunks, reason) from error

    def _compare(
        self, values: Mapping[str, Any], inputs: Mapping[str, Any], chunks: tuple[int, ...]
    ) -> None:
        """Calls the stage again and compares; keeps the memo of the first call.

        Raises:
            StageFailed: a byte differs, or a number is not finite.
        """
        memos = self._memos
        memo = None if memos is None else memos.newest
        again = self._call(inputs, chunks)
        reason = difference(values, again) or not_finite(values)
        if memos is not None and memo is not None:
            rebuilt, memos.newest = memos.newest or {}, memo
            found = difference(memo, rebuilt)
            reason = (found and f"{found}; the second call had a rebuilt memo") or reason
        if reason:
            raise StageFailed(self.node.name, chunks, reason)

    def _recall(self, inputs: Mapping[str, Tensor]) -> Mapping[str, Tensor] | None:
        for call in self._recent:
            known = call.inputs
            for name in self._small_first:
                value = inputs[name]
                if known[name] is not value and not wire.equal(known[name], value):
                    break
            else:
                return call.outputs
        return None

    def _remember(self, inputs: Mapping[str, Tensor], outputs: Mapping[str, Tensor]) -> None:
        if len(self._recent) == self._recent.maxlen:
            self._forget()
        self._recent.append(_Call(inputs, outputs, array_bytes(inputs)))
        self.remembered_bytes += self._recent[-1].bytes
        while len(self._recent) > 1 and self.remembered_bytes > MOST_REMEMBERED_BYTES:
            self._forget()

    def _forget(self) -> None:
        self.remembered_bytes -= self._recent.popleft().bytes

    def _call(self, inputs: Mapping[str, Any], chunks: tuple[int, ...]) -> dict[str, Any]:
        memos, stage = self._memos, self.stage
        try:
            given = self._arrays.given(inputs)
            if memos is None:
                outputs = own(lambda: stage(**given))
            else:
                outputs = own(lambda: memos.call(inputs, given))
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


def _size(port: Port, format: Format) -> tuple[bool, int]:
    """Returns what sorts ports by the size of their values; ragged ones are the last."""
    return port.ragged, prod(wire.fixed_shape(port, format.dims))


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
