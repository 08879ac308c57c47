"""The protocol of the original Magenta RealTime web demo: /stream, /stream_info, /style."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.websockets import WebSocket

from soundstage.apps.server.connection import FAULTS, ServerContext, StreamSender, next_message
from soundstage.apps.server.protocols.frames import samples_bytes
from soundstage.apps.server.protocols.json_controls import number_of
from soundstage.apps.server.protocols.websocket import Gone, Refused, Socket, read_object
from soundstage.apps.server.styles import PromptStyles
from soundstage.graph.scalar import scalars
from soundstage.runners.engine.chunk import EngineChunk
from soundstage.runners.engine.refusals import ControlRefused, Full

# Names in that protocol, and the controls that do the same here.
CONTROLS = {"temperature": "temperature", "topk": "top_k", "guidance_weight": "guidance"}
LONGEST_TEXT = 2_000


class DemoSession:
    """One connection. What cannot be done is refused by closing it, as the original does.

    Args:
        desk: the server's.
        styles: those that were handed out.
        socket: accepted.
    """

    def __init__(self, desk: ServerContext, styles: PromptStyles, socket: Socket) -> None:
        self._desk, self._styles, self._socket = desk, styles, socket
        self._listener: StreamSender | None = None
        self._styled = False

    async def run(self) -> None:
        """Speaks until the session is ended."""
        try:
            while True:
                message = await next_message(self._socket, self._listener, self._idle_s)
                if message is None or not await self._answer(message):
                    break
        except Gone:
            pass
        except (Full, *FAULTS) as error:
            await self._socket.close(1013 if isinstance(error, Full) else 1007, str(error))
        finally:
            if self._listener is not None:
                await self._listener.close()
        await self._socket.close()

    @property
    def _idle_s(self) -> float | None:
        return None if self._listener else self._desk.limits.idle_s

    async def _answer(self, message: str | bytes) -> bool:
        """Does what is asked; False = the session is to end."""
        said = read_object(message)
        kind, body = said.get("type"), said.get("body") or {}
        if not isinstance(body, Mapping):
            raise Refused("body is an object", "body")
        if kind == "EndSession":
            return False
        if kind == "StartSession":
            await self._start()
        elif kind == "UpdateControl":
            self._control(body)
        elif kind == "UpdatePlayback":
            self._playback(body)
        elif kind != "ReceivedChunk":
            raise Refused(f"type {str(kind)[:40]!r} is none of this protocol's", "type")
        return True

    async def _start(self) -> None:
        if self._listener is not None:
            raise Refused("the session has begun already")
        stream = await self._desk.engine.join({}, pace="realtime", buffer_chunks=1)
        self._listener = StreamSender(stream, self._deliver, self._failed)

    def _control(self, body: Mapping[str, Any]) -> None:
        changes: dict[str, Any] = {}
        style = body.get("style")
        if style is not None:
            changes |= self._styles.prompts_of(style, self._desk.graph.format.style_dim)
        asked = body.get("generation_kwargs") or {}
        if not isinstance(asked, Mapping):
            raise Refused("generation_kwargs is an object", "generation_kwargs")
        numbers = scalars(self._desk.graph)
        for name, control in CONTROLS.items():
            value = asked.get(name)
            if value is not None and control in numbers:
                changes[control] = number_of(name, value, numbers[control])
        self._stream.steer(changes)
        self._styled |= style is not None

    def _playback(self, body: Mapping[str, Any]) -> None:
        state = body.get("state")
        if state == "PLAYING":
            if not self._styled:
                raise Refused("a style must be set by UpdateControl before PLAYING")
            self._stream.play()
        elif state in ("PAUSED", "STOPPED"):
            self._stream.pause()
            if state == "STOPPED":
                self._stream.reset()
        elif state is not None:
            raise Refused("state is PLAYING, PAUSED or STOPPED", "state")

    async def _deliver(self, made: EngineChunk) -> None:
        await self._socket.send(samples_bytes(made.audio, "float32"))

    async def _failed(self, reason: str) -> None:
        await self._socket.close(1011, reason)

    @property
    def _stream(self) -> Any:
        if self._listener is None:
            raise Refused("send StartSession first")
        return self._listener.stream


async def demo_protocol(desk: ServerContext, styles: PromptStyles, raw: WebSocket) -> None:
    """Speaks the original demo's protocol on one WebSocket."""
    socket = Socket(raw, desk.limits)
    await socket.accept()
    try:
        async with desk.connected():
            await DemoSession(desk, styles, socket).run()
    except Full as error:
        await socket.close(1013, str(error))


async def stream_info(desk: ServerContext, request: Request) -> Response:
    """What the chunks of `/stream` are: `GET /stream_info`."""
    form = desk.graph.format
    return JSONResponse(
        {
            "chunk_length": form.chunk_s,
            "sample_rate": form.sample_rate_hz,
            "num_channels": form.channels,
        }
    )


async def style(desk: ServerContext, styles: PromptStyles, request: Request) -> Response:
    """The embedding of a text: `POST /style`, the raw text as its body."""
    body = await request.body()
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return JSONResponse({"error": "the body is text in UTF-8"}, 400)
    if len(text) > LONGEST_TEXT:
        return JSONResponse({"error": f"a text has at most {LONGEST_TEXT} characters"}, 413)
    controls = {"texts": [text], "text_weights": [1.0], "clips": [], "clip_weights": []}
    try:
        embedding = await desk.engine.embed(controls)
    except Full as error:
        headers = {"retry-after": str(max(1, round(error.retry_after_s)))}
        return JSONResponse({"error": error.reason}, 503, headers)
    except ControlRefused as error:
        return JSONResponse({"error": error.reason}, 400)
    styles.remember(text, embedding)
    return JSONResponse([float(value) for value in np.asarray(embedding, np.float32)])
