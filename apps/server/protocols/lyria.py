"""The Lyria RealTime protocol: what the client of `@google/genai` speaks (docs/protocol.md).

What the pipeline cannot do is said in a `warning`, never faked.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from typing import Any

from starlette.websockets import WebSocket

from soundstage.apps.server.connection import (
    FAULTS,
    ServerContext,
    StreamSender,
    next_message,
    reason_of,
)
from soundstage.apps.server.protocols.frames import samples_bytes
from soundstage.apps.server.protocols.json_controls import number_of
from soundstage.apps.server.protocols.websocket import Gone, Refused, Socket, read_object
from soundstage.graph.scalar import scalars
from soundstage.runners.engine.chunk import EngineChunk
from soundstage.runners.engine.refusals import Full

SERVICE = "GenerativeService.BidiGenerateMusic"
# Clients of a base URL that ends in a slash ask for the second one.
PATHS = tuple(
    f"{slash}/ws/google.ai.generativelanguage.{version}.{SERVICE}"
    for version in ("v1alpha", "v1beta")
    for slash in ("", "/")
)
# A setting's name in that protocol, and the control that does the same here.
CONTROLS = {"temperature": "temperature", "topK": "top_k", "guidance": "guidance", "seed": "seed"}
# Chunks are sent as quickly as they are made, this many before the client has asked for more.
AHEAD_CHUNKS = 2


class LyriaSession:
    """One connection.

    Args:
        desk: the server's.
        socket: accepted.
    """

    def __init__(self, desk: ServerContext, socket: Socket) -> None:
        self._desk, self._socket = desk, socket
        self._listener: StreamSender | None = None
        self._prompts: list[dict[str, Any]] = []
        self._settings: dict[str, Any] = {}

    async def run(self) -> None:
        """Speaks until the other side leaves."""
        try:
            await self._set_up()
            while (message := await next_message(self._socket, self._listener, None)) is not None:
                await self._answer(message)
        except Gone:
            pass
        finally:
            if self._listener is not None:
                await self._listener.close()
        await self._socket.close(1011, "the stream has ended")

    async def _set_up(self) -> None:
        """Waits for `setup`, and gives the connection a stream."""
        try:
            said = await self._socket.receive_object(self._desk.limits.idle_s)
            if not isinstance(said.get("setup"), Mapping):
                raise Refused('the first message is {"setup": {"model": NAME}}')
            stream = await self._desk.engine.join({}, pace="realtime", buffer_chunks=AHEAD_CHUNKS)
        except (Refused, Full) as error:
            await self._socket.close(1013 if isinstance(error, Full) else 1007, str(error))
            raise Gone from error
        self._listener = StreamSender(stream, self._deliver, self._failed)
        await self._socket.send({"setupComplete": {}})

    async def _answer(self, message: str | bytes) -> None:
        try:
            said = read_object(message)
            known = {
                "clientContent": self._content,
                "musicGenerationConfig": self._configure,
                "playbackControl": self._playback,
            }
            if not known.keys() & said.keys():
                raise Refused(f"a message has one of {', '.join(known)}")
            for name, action in known.items():
                if name in said:
                    await action(said[name])
        except FAULTS as error:
            await self._warn(reason_of(error)["reason"])

    async def _content(self, content: object) -> None:
        prompts = content.get("weightedPrompts") if isinstance(content, Mapping) else None
        if not isinstance(prompts, list) or not prompts:
            raise Refused("clientContent.weightedPrompts is a list of at least one prompt")
        taken = []
        for prompt in prompts:
            fault = prompt_fault(prompt)
            if fault:
                text = prompt.get("text", "") if isinstance(prompt, Mapping) else ""
                filtered = {"text": str(text)[:200], "filteredReason": fault}
                await self._socket.send({"filteredPrompt": filtered})
            else:
                taken.append({"text": prompt["text"], "weight": float(prompt.get("weight", 1.0))})
        if taken:
            self._stream.steer(
                {
                    "texts": [prompt["text"] for prompt in taken],
                    "text_weights": [prompt["weight"] for prompt in taken],
                    "clips": [],
                    "clip_weights": [],
                }
            )
            self._prompts = taken

    async def _configure(self, settings: object) -> None:
        if not isinstance(settings, Mapping):
            raise Refused("musicGenerationConfig is an object")
        numbers = scalars(self._desk.graph)
        known = {name: numbers[control] for name, control in CONTROLS.items() if control in numbers}
        # What a message leaves out is at its default again.
        changes = {scalar.name: scalar.default for scalar in known.values()}
        kept, ignored = {}, []
        for name, value in settings.items():
            if name in known:
                changes[known[name].name] = number_of(name, value, known[name])
                kept[name] = value
            elif value is not None:
                ignored.append(name)
        self._stream.steer(changes)
        self._settings = kept
        if ignored:
            names = ", ".join(sorted(str(name)[:40] for name in ignored))
            await self._warn(f"ignored, for this model has nothing like it: {names}")

    async def _playback(self, control: object) -> None:
        if control == "PLAY":
            self._stream.play()
        elif control == "PAUSE":
            self._stream.pause()
        elif control == "STOP":
            self._stream.pause()
            self._stream.reset()
        elif control == "RESET_CONTEXT":
            self._stream.reset()
        else:
            raise Refused("playbackControl is PLAY, PAUSE, STOP or RESET_CONTEXT")

    async def _deliver(self, made: EngineChunk) -> None:
        form = self._desk.graph.format
        chunk = {
            "data": base64.b64encode(samples_bytes(made.audio, "int16")).decode(),
            "mimeType": f"audio/l16;rate={form.sample_rate_hz};channels={form.channels}",
            "sourceMetadata": {
                "clientContent": {"weightedPrompts": self._prompts},
                "musicGenerationConfig": self._settings,
            },
        }
        await self._socket.send({"serverContent": {"audioChunks": [chunk]}})

    async def _failed(self, reason: str) -> None:
        await self._warn(reason)

    async def _warn(self, reason: str) -> None:
        await self._socket.send({"warning": reason})

    @property
    def _stream(self) -> Any:
        assert self._listener is not None
        return self._listener.stream


async def lyria_protocol(desk: ServerContext, raw: WebSocket) -> None:
    """Speaks the Lyria RealTime protocol on one WebSocket."""
    socket = Socket(raw, desk.limits)
    await socket.accept()
    try:
        async with desk.connected():
            await LyriaSession(desk, socket).run()
    except Full as error:
        await socket.close(1013, str(error))


def prompt_fault(prompt: object) -> str:
    """Why a weighted prompt cannot be used; "" = it can."""
    if not isinstance(prompt, Mapping) or not isinstance(prompt.get("text"), str):
        return "a weighted prompt has a text"
    weight = prompt.get("weight", 1.0)
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not math.isfinite(weight):
        return "a weight is a number"
    return "" if weight >= 0 else "a weight below 0 is not supported"
