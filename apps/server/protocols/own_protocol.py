"""soundstage's own protocol on /ws/stream: JSON both ways, chunks as binary frames.

docs/protocol.md describes it for people who write clients; `own_messages` declares its messages.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from typing import Any

from starlette.websockets import WebSocket

from soundstage.apps.server.connection import CLIENT_ERRORS, ServerContext, reason_of, where_of
from soundstage.apps.server.protocols import own_messages as messages
from soundstage.apps.server.protocols.frames import Encoding, chunk_frame
from soundstage.apps.server.protocols.json_controls import controls_of
from soundstage.apps.server.protocols.live_frames import read_live_input
from soundstage.apps.server.protocols.protocol_session import ProtocolSession, serve_session
from soundstage.apps.server.protocols.websocket import Refused, Socket, read_object
from soundstage.graph.plan import Graph
from soundstage.graph.port import Port
from soundstage.graph.scalar import Scalar, scalars
from soundstage.runners.engine.chunk import EngineChunk
from soundstage.runners.engine.refusals import Full
from soundstage.runners.sessions.injection import silence

PATH = "/ws/stream"
# The type that refusals of binary messages name.
AUDIO = "audio"
GOING_AWAY = 1001


class OwnSession(ProtocolSession):
    """A client of soundstage's own protocol; it may start one stream after another."""

    no_stream = "there is no stream yet; send a message of type start first"

    def __init__(self, context: ServerContext, socket: Socket) -> None:
        super().__init__(context, socket)
        self._encoding: Encoding = "float32"
        self._resumable = False
        # Of a saved session that may still be in the buffer of the connection.
        self._unread_bytes = 0

    async def run(self) -> None:
        """Speaks until the client disconnects or the server ends."""
        try:
            await self._speak()
        finally:
            self._release()

    async def _speak(self) -> None:
        await self._send(ready_message(self._context))
        while True:
            message = await self.next_message()
            if message is not None:
                await self.within_budget(self._answer(message))
                continue
            await self.end_stream()
            if not self._context.fleet.ready:
                await self._socket.close(GOING_AWAY, "the server is about to end")
                return

    async def deliver(self, chunk: EngineChunk) -> None:
        """Sends a chunk's description and then its samples."""
        description = messages.ChunkMessage(
            chunk=chunk.chunk,
            steer=chunk.steer,
            slack_s=chunk.slack_s,
            underruns=chunk.underruns,
            late_stage=chunk.late_stage,
            again=chunk.again,
            prepared=self._sender is not None and self._sender.stream.prepared,
            seconds={stage: round(seconds, 6) for stage, seconds in chunk.seconds.items()},
            not_understood=dict(chunk.not_understood),
            **self._resume_token(),
        )
        rate_hz = self._context.graph.format.sample_rate_hz
        await self._socket.send(description.to_json(), chunk_frame(chunk, rate_hz, self._encoding))
        # A message is sent after most of the earlier ones have been read.
        self._release()

    def _resume_token(self) -> dict[str, Any]:
        """Returns the field of a chunk's message from which the client may go on elsewhere."""
        if not self._resumable or self._sender is None:
            return {}
        token = self._sender.stream.resume_token()
        return {"session": None if token is None else base64.b64encode(token).decode()}

    async def report_failure(self, reason: str) -> None:
        """Sends `failed`."""
        await self._send(messages.FailedMessage(reason=reason))

    async def _answer(self, data: str | bytes) -> None:
        """Does what a message asks for, or refuses it."""
        kind = AUDIO if isinstance(data, bytes) else ""
        try:
            if isinstance(data, bytes):
                samples, rate_hz = read_live_input(data)
                self.stream.add_live_input(samples, rate_hz)
                return
            fields = read_object(data)
            kind = messages.type_of(fields)
            await self._obey(messages.read_message(fields))
        except Full as error:
            wait_s = error.retry_after_s
            await self._send(
                messages.FullMessage(of=kind, reason=reason_of(error), retry_after_s=wait_s)
            )
        except CLIENT_ERRORS as error:
            reason, where = reason_of(error), where_of(error)
            await self._send(messages.RefusedMessage(of=kind, reason=reason, where=where))

    async def _obey(self, message: messages.ClientMessage) -> None:
        match message:
            case messages.StartMessage():
                await self._start(message)
            case messages.SteerMessage():
                steer = self.stream.steer(self._controls(message.controls), again=message.again)
                await self._send(messages.SteeredMessage(steer=steer))
            case messages.PrepareMessage():
                await self._prepare(message)
            case messages.PlayMessage():
                await self.stream.play()
            case messages.PauseMessage():
                self.stream.pause(hold=message.hold)
            case messages.ResetMessage():
                stream, state = self.stream, await self._context.state_after_clip(message.continue_)
                stream.reset(message.seed, state)
                await self._send(messages.RestartedMessage())
            case messages.SaveMessage():
                await self._save()
            case messages.StopMessage():
                await self.end_stream()
                await self._send(messages.StoppedMessage())

    async def _start(self, message: messages.StartMessage) -> None:
        if self._sender is not None:
            raise Refused("this connection has a stream already; steer it, or stop it first")
        stream = await self._context.fleet.join(
            self._controls(message.controls),
            pace=message.pace,
            buffer_chunks=message.buffer_chunks,
            session=message.session,
            state=await self._context.state_after_clip(message.continue_),
        )
        self._encoding, self._resumable = message.encoding, message.resumable
        self.send_stream(stream)
        await self._send(messages.StartedMessage(pace=message.pace))

    async def _save(self) -> None:
        stream = self.stream
        # One at a time and in a thread: sessions with audio prompts are large.
        async with self._context.saving:
            data = await asyncio.to_thread(lambda: base64.b64encode(stream.save()).decode())
        try:
            self._context.transfer.take(len(data))
        except Full as error:
            raise Refused(error.reason) from error
        held, self._unread_bytes = self._unread_bytes, len(data)
        self._context.transfer.give(held)
        await self._socket.send(messages.SessionMessage(data=data).to_json())

    def _release(self) -> None:
        """Gives back what a saved session holds of the transfer: it has been read, or never is."""
        held, self._unread_bytes = self._unread_bytes, 0
        self._context.transfer.give(held)

    async def _prepare(self, message: messages.PrepareMessage) -> None:
        stream = self.stream
        if message.controls is None:
            stream.unprepare()
            await self._send(messages.UnpreparedMessage())
        else:
            stream.prepare(self._controls(message.controls))
            await self._send(messages.PreparingMessage())

    def _controls(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return controls_of(values, self._context.uploads, self._context.graph.format)

    async def _send(self, message: messages.ServerMessage) -> None:
        await self._socket.send(message.to_json())
        self._release()


async def own_protocol(context: ServerContext, websocket: WebSocket) -> None:
    """Speaks soundstage's own protocol on one WebSocket."""
    await serve_session(context, OwnSession, websocket)


def ready_message(context: ServerContext) -> messages.ReadyMessage:
    """Returns the first message to a client, which describes the pipeline and its controls."""
    graph, fleet, format = context.graph, context.fleet, context.graph.format
    return messages.ReadyMessage(
        protocol=messages.VERSION,
        pipeline=graph.name,
        note=graph.spec.note,
        format=messages.AudioFormat(
            chunk_s=format.chunk_s,
            sample_rate_hz=format.sample_rate_hz,
            channels=format.channels,
        ),
        controls=_control_infos(graph),
        capacity=messages.CapacityInfo(realtime=fleet.realtime, streams=fleet.streams),
        takes=messages.TakesInfo(
            continue_=context.clip_encoder.possible, inject=bool(silence(graph))
        ),
        warm=fleet.ready,
    )


def _control_infos(graph: Graph) -> dict[str, messages.ControlInfo]:
    numbers = scalars(graph)
    return {
        name: _control_info(control.port, control.default, numbers.get(name))
        for name, control in graph.controls.items()
    }


def _control_info(port: Port, default: Any, scalar: Scalar | None) -> messages.ControlInfo:
    optional: dict[str, Any] = {} if scalar is None else scalar.described()
    if not port.shape:
        optional["default"] = getattr(default, "item", lambda: default)()
    for name, bound in (("minimum", port.minimum), ("maximum", port.maximum)):
        if bound is not None:
            optional[name] = bound
    return messages.ControlInfo(dtype=port.dtype, kind=port.kind, unit=port.unit, **optional)
