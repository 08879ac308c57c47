"""The protocol of the original Magenta RealTime web demo: /stream, /stream_info, /style."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.websockets import WebSocket

from soundstage.apps.server.connection import ServerContext
from soundstage.apps.server.protocols.frames import samples_bytes
from soundstage.apps.server.protocols.json_controls import number_of, random_seed
from soundstage.apps.server.protocols.plain_http import refusal
from soundstage.apps.server.protocols.protocol_session import (
    INTERNAL_ERROR,
    ProtocolSession,
    serve_session,
)
from soundstage.apps.server.protocols.websocket import Refused, Socket, read_object
from soundstage.apps.server.styles import PromptStyles
from soundstage.graph.scalar import scalars
from soundstage.runners.engine.chunk import EngineChunk
from soundstage.runners.engine.refusals import ControlRefused, Full
from soundstage.runners.runner import StageFailed
from soundstage.runners.sessions.prompts import PROMPTS

# A setting's name in the protocol, and the control that does the same.
CONTROLS = {"temperature": "temperature", "topk": "top_k", "guidance_weight": "guidance"}
LONGEST_TEXT = 2_000


class DemoSession(ProtocolSession):
    """A client of the original demo's protocol; a refusal closes the connection, as there.

    Args:
        styles: the embeddings that `POST /style` returned.
        context: the server's engine, uploads and settings.
        socket: accepted.
    """

    no_stream = "send StartSession first"

    def __init__(self, styles: PromptStyles, context: ServerContext, socket: Socket) -> None:
        super().__init__(context, socket)
        self._styles = styles
        self._styled = False

    async def run(self) -> None:
        """Exchanges messages with the client until the session ends."""
        while (message := await self.next_message()) is not None:
            if not await self.within_budget(self._answer(message)):
                break
        await self._socket.close()

    async def _answer(self, message: str | bytes) -> bool:
        """Does what a message asks for; returns whether the session goes on."""
        fields = read_object(message)
        kind, body = fields.get("type"), fields.get("body") or {}
        if not isinstance(body, Mapping):
            raise Refused("body is an object", "body")
        if kind == "EndSession":
            return False
        if kind == "StartSession":
            await self._start()
        elif kind == "UpdateControl":
            self._control(body)
        elif kind == "UpdatePlayback":
            await self._playback(body)
        elif kind != "ReceivedChunk":
            raise Refused(f"type {reprlib.repr(kind)} is none of this protocol", "type")
        return True

    async def _start(self) -> None:
        if self._sender is not None:
            raise Refused("the session has started already")
        stream = await self._context.fleet.join(random_seed(self._context.graph), pace="realtime")
        self.send_stream(stream)

    def _control(self, body: Mapping[str, Any]) -> None:
        changes: dict[str, Any] = {}
        style = body.get("style")
        if style is not None:
            changes |= self._styles.prompts_of(style, self._context.graph)
        settings = body.get("generation_kwargs") or {}
        if not isinstance(settings, Mapping):
            raise Refused("generation_kwargs is an object", "generation_kwargs")
        numbers = scalars(self._context.graph)
        for name, control in CONTROLS.items():
            value = settings.get(name)
            if value is not None and control in numbers:
                changes[control] = number_of(name, value, numbers[control])
        self.stream.steer(changes)
        self._styled |= style is not None

    async def _playback(self, body: Mapping[str, Any]) -> None:
        state = body.get("state")
        if state == "PLAYING":
            if not self._styled:
                raise Refused("a style must be set by UpdateControl before PLAYING")
            await self.stream.play()
        elif state in ("PAUSED", "STOPPED"):
            self.stream.pause()
            if state == "STOPPED":
                self.stream.reset()
        elif state is not None:
            raise Refused("state is PLAYING, PAUSED or STOPPED", "state")

    async def deliver(self, chunk: EngineChunk) -> None:
        """Sends a chunk's samples."""
        await self._socket.send(samples_bytes(chunk.audio, "float32"))

    async def report_failure(self, reason: str) -> None:
        """Closes the connection."""
        await self._socket.close(INTERNAL_ERROR, reason)


async def demo_protocol(context: ServerContext, styles: PromptStyles, websocket: WebSocket) -> None:
    """Speaks the original demo's protocol on one WebSocket."""
    await serve_session(context, partial(DemoSession, styles), websocket)


async def stream_info(context: ServerContext, request: Request) -> Response:
    """`GET /stream_info`: the length, rate and channels of the chunks of `/stream`."""
    format = context.graph.format
    return JSONResponse(
        {
            "chunk_length": format.chunk_s,
            "sample_rate": format.sample_rate_hz,
            "num_channels": format.channels,
        }
    )


async def style(context: ServerContext, styles: PromptStyles, request: Request) -> Response:
    """`POST /style`: the embedding of the text in the body."""
    body = await request.body()
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return JSONResponse({"error": "the body is not text in UTF-8"}, 400)
    if len(text) > LONGEST_TEXT:
        return JSONResponse({"error": f"a text has at most {LONGEST_TEXT} characters"}, 413)
    try:
        with context.embedding.holding(1):
            embedding = await context.fleet.embed({PROMPTS: [text]})
    except (Full, ControlRefused, StageFailed) as error:
        return refusal(error)
    await styles.remember(text, embedding)
    return JSONResponse([float(value) for value in np.asarray(embedding, np.float32)])
