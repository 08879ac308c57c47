"""soundstage's own protocol on /ws/stream: JSON both ways, chunks as binary frames.

docs/protocol.md describes it for those who write clients.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from starlette.websockets import WebSocket

from soundstage.apps.server.connection import (
    CONTINUE,
    FAULTS,
    ServerContext,
    StreamSender,
    next_message,
    reason_of,
)
from soundstage.apps.server.protocols.frames import ENCODINGS, Encoding, chunk_frame, read_heard
from soundstage.apps.server.protocols.json_controls import controls_of
from soundstage.apps.server.protocols.websocket import Gone, Refused, Socket, read_object
from soundstage.graph.plan import Graph
from soundstage.graph.port import Port
from soundstage.graph.scalar import scalars
from soundstage.runners.engine.chunk import EngineChunk
from soundstage.runners.engine.refusals import Full
from soundstage.runners.sessions.injection import silence

VERSION = 1
PATH = "/ws/stream"


class OwnSession:
    """One connection.

    Args:
        desk: the server's.
        socket: accepted.
    """

    def __init__(self, desk: ServerContext, socket: Socket) -> None:
        self._desk, self._socket = desk, socket
        self._listener: StreamSender | None = None
        self._encoding: Encoding = "float32"
        self._actions = {
            "start": self._start,
            "steer": self._steer,
            "prepare": self._prepare,
            "play": self._play,
            "pause": self._pause,
            "reset": self._reset,
            "save": self._save,
            "stop": self._stop,
        }

    async def run(self) -> None:
        """Speaks until the other side leaves."""
        try:
            await self._socket.send(ready_message(self._desk))
            while True:
                idle_s = None if self._listener else self._desk.limits.idle_s
                message = await next_message(self._socket, self._listener, idle_s)
                if message is None:
                    await self._ended()
                else:
                    await self._answer(message)
        except Gone:
            pass
        finally:
            await self._leave()

    async def _answer(self, message: str | bytes) -> None:
        kind = ""
        try:
            if isinstance(message, bytes):
                kind = "audio"
                self._hear(message)
                return
            said = read_object(message)
            kind = str(said.get("type", ""))[:40]
            action = self._actions.get(kind)
            if action is None:
                raise Refused(f"type {kind!r} is none of {', '.join(self._actions)}", "type")
            await action(said)
        except Full as error:
            wait = {"reason": error.reason, "retry_after_s": error.retry_after_s}
            await self._socket.send({"type": "full", "of": kind, **wait})
        except FAULTS as error:
            await self._socket.send({"type": "refused", "of": kind, **reason_of(error)})

    # ---- what a listener may say

    async def _start(self, said: Mapping[str, Any]) -> None:
        if self._listener is not None:
            raise Refused("this connection has a stream already; steer it, or stop it first")
        encoding = said.get("encoding", "float32")
        if encoding not in ENCODINGS:
            raise Refused(f"encoding is one of {', '.join(ENCODINGS)}", "encoding")
        ahead = said.get("buffer_chunks", 1)
        if isinstance(ahead, bool) or not isinstance(ahead, int | float):
            raise Refused("buffer_chunks is a number", "buffer_chunks")
        if said.get("session") is not None and said.get(CONTINUE) is not None:
            raise Refused("a stream goes on from a session or from a clip, not both", CONTINUE)
        stream = await self._desk.engine.join(
            self._controls(said),
            pace=said.get("pace", "realtime"),
            buffer_chunks=ahead,
            session=_session(said.get("session")),
            state=await self._desk.continued(said.get(CONTINUE)),
        )
        self._encoding = encoding
        self._listener = StreamSender(stream, self._deliver, self._failed)
        await self._socket.send({"type": "started", "pace": said.get("pace", "realtime")})

    async def _steer(self, said: Mapping[str, Any]) -> None:
        again = _flag(said, "again")
        steer = self._playing.stream.steer(self._controls(said), again=again)
        await self._socket.send({"type": "steered", "steer": steer})

    async def _prepare(self, said: Mapping[str, Any]) -> None:
        stream = self._playing.stream
        if said.get("controls") is None:
            stream.unprepare()
            await self._socket.send({"type": "unprepared"})
        else:
            stream.prepare(self._controls(said))
            await self._socket.send({"type": "preparing"})

    def _hear(self, message: bytes) -> None:
        samples, rate_hz = read_heard(message)
        self._playing.stream.hear(samples, rate_hz)

    async def _play(self, said: Mapping[str, Any]) -> None:
        self._playing.stream.play()

    async def _pause(self, said: Mapping[str, Any]) -> None:
        self._playing.stream.pause(hold=_flag(said, "hold"))

    async def _reset(self, said: Mapping[str, Any]) -> None:
        seed = said.get("seed")
        if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int)):
            raise Refused("seed is a whole number", "seed")
        stream = self._playing.stream
        state = await self._desk.continued(said.get(CONTINUE))
        stream.reset(seed, state)
        await self._socket.send({"type": "restarted"})

    async def _save(self, said: Mapping[str, Any]) -> None:
        data = base64.b64encode(self._playing.stream.save()).decode()
        await self._socket.send({"type": "session", "data": data})

    async def _stop(self, said: Mapping[str, Any]) -> None:
        await self._leave()
        await self._socket.send({"type": "stopped"})

    # ---- what it hears

    async def _deliver(self, made: EngineChunk) -> None:
        news = {
            "type": "chunk",
            "chunk": made.chunk,
            "steer": made.steer,
            "slack_s": made.slack_s,
            "underruns": made.underruns,
            "late_stage": made.late_stage,
            "again": made.again,
            "prepared": self._listener is not None and self._listener.stream.prepared,
            "seconds": {stage: round(value, 6) for stage, value in made.seconds.items()},
        }
        rate_hz = self._desk.graph.format.sample_rate_hz
        await self._socket.send(news, chunk_frame(made, rate_hz, self._encoding))

    async def _failed(self, reason: str) -> None:
        await self._socket.send({"type": "failed", "reason": reason})

    async def _ended(self) -> None:
        """The engine ended the stream, or it failed and that was said."""
        await self._leave()
        if not self._desk.engine.ready:
            await self._socket.close(1001, "the server is about to end")
            raise Gone

    # ---- helpers

    @property
    def _playing(self) -> StreamSender:
        if self._listener is None:
            raise Refused("there is no stream yet; send a message of type start first")
        return self._listener

    def _controls(self, said: Mapping[str, Any]) -> dict[str, Any]:
        asked = said.get("controls", {})
        return controls_of(asked, self._desk.uploads, self._desk.graph.format)

    async def _leave(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            await listener.close()


async def own_protocol(desk: ServerContext, raw: WebSocket) -> None:
    """Speaks soundstage's own protocol on one WebSocket."""
    socket = Socket(raw, desk.limits)
    await socket.accept()
    try:
        async with desk.connected():
            await OwnSession(desk, socket).run()
    except Full as error:
        await socket.close(1013, str(error))


def ready_message(desk: ServerContext) -> dict[str, Any]:
    """What a client hears first: what plays here, and what may be asked of it."""
    form, figures = desk.graph.format, desk.engine.figures()
    return {
        "type": "ready",
        "protocol": VERSION,
        "pipeline": desk.graph.name,
        "note": desk.graph.spec.note,
        "format": {
            "chunk_s": form.chunk_s,
            "sample_rate_hz": form.sample_rate_hz,
            "channels": form.channels,
        },
        "controls": _described_controls(desk.graph),
        "capacity": {"realtime": figures.capacity, "streams": figures.streams},
        "takes": {"continue": desk.continuing.possible, "inject": bool(silence(desk.graph))},
        "warm": desk.engine.ready,
    }


def _described_controls(graph: Graph) -> dict[str, Any]:
    numbers = scalars(graph)
    return {
        name: _described(control.port, control.default)
        | (numbers[name].described() if name in numbers else {})
        for name, control in graph.controls.items()
    }


def _described(port: Port, default: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"dtype": port.dtype, "kind": port.kind, "unit": port.unit}
    if not port.shape:
        found["default"] = getattr(default, "item", lambda: default)()
    for name, bound in (("minimum", port.minimum), ("maximum", port.maximum)):
        if bound is not None:
            found[name] = bound
    return found


def _flag(said: Mapping[str, Any], name: str) -> bool:
    value = said.get(name, False)
    if not isinstance(value, bool):
        raise Refused(f"{name} is true or false", name)
    return value


def _session(text: object) -> bytes | None:
    if text is None:
        return None
    if not isinstance(text, str):
        raise Refused(
            "session is text in base64, as a message of type session brought it", "session"
        )
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise Refused("session is not base64", "session") from error
