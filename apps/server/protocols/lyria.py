"""The Lyria RealTime protocol, as the client of `@google/genai` speaks it (docs/protocol.md).

A request that the pipeline cannot fulfil is answered by a `warning`.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from starlette.websockets import WebSocket

from soundstage.apps.server.connection import CLIENT_ERRORS, ServerContext, reason_of
from soundstage.apps.server.protocols.frames import samples_bytes
from soundstage.apps.server.protocols.json_controls import (
    is_number,
    number_of,
    random_seed,
    refuse_long_list,
)
from soundstage.apps.server.protocols.protocol_session import (
    INTERNAL_ERROR,
    ProtocolSession,
    serve_session,
)
from soundstage.apps.server.protocols.websocket import Refused, Socket, read_object
from soundstage.graph.control import is_blank
from soundstage.graph.scalar import scalars
from soundstage.runners.engine.chunk import EngineChunk
from soundstage.runners.sessions.not_understood import WordReports
from soundstage.runners.sessions.prompts import PROMPTS
from soundstage.runners.timing.realtime import chunks_ahead

SERVICE = "GenerativeService.BidiGenerateMusic"
# A client whose base URL ends in a slash requests a path that begins with two.
ROUTES = tuple(
    f"{slash}/ws/google.ai.generativelanguage.{{version}}.{SERVICE}" for slash in ("", "/")
)
# The documented version, and the one that Google's clients use unless they are told another.
VERSIONS = ("v1alpha", "v1beta")
PATHS = tuple(route.format(version=version) for version in VERSIONS for route in ROUTES)
# A setting's name in the protocol, and the control that does the same.
CONTROLS = {
    "temperature": "temperature",
    "topK": "top_k",
    "guidance": "guidance",
    "seed": "seed",
    "bpm": "bpm",
    "density": "density",
    "brightness": "brightness",
}
# The setting that turns the drums off, and the control for it.
MUTE_DRUMS, DRUMS, NO_DRUMS = "muteDrums", "drums", 0.0
# The music that is made, and sent, ahead of real time, as a multiple of what is usual.
TIMES_AHEAD = 2


class LyriaSession(ProtocolSession):
    """A client of the Lyria RealTime protocol; it has one stream, from `setup` on."""

    def __init__(self, context: ServerContext, socket: Socket) -> None:
        super().__init__(context, socket)
        self._prompts: list[dict[str, Any]] = []
        self._settings: dict[str, Any] = {}
        self._words = WordReports()
        # The API takes a random seed if a client names none; a stream keeps its own.
        self._own_seed = random_seed(context.graph)

    async def run(self) -> None:
        """Speaks until the client disconnects or the stream ends."""
        await self._set_up()
        while (message := await self.next_message()) is not None:
            await self.within_budget(self._answer(message))
        await self._socket.close(INTERNAL_ERROR, "the stream has ended")

    async def _set_up(self) -> None:
        """Waits for `setup`, and gives the client a stream."""
        fields = read_object(await self.next_message() or "")
        if not isinstance(fields.get("setup"), Mapping):
            raise Refused('the first message is {"setup": {"model": NAME}}')
        ahead = TIMES_AHEAD * chunks_ahead(self._context.graph.format.chunk_s)
        stream = await self._context.fleet.join(
            self._own_seed, pace="realtime", buffer_chunks=ahead
        )
        self.send_stream(stream)
        await self._socket.send({"setupComplete": {}})

    async def _answer(self, message: str | bytes) -> None:
        try:
            fields = read_object(message)
            known = {
                "clientContent": self._content,
                "musicGenerationConfig": self._configure,
                "playbackControl": self._playback,
            }
            if not known.keys() & fields.keys():
                raise Refused(f"a message has one of {', '.join(known)}")
            for name, action in known.items():
                if name in fields:
                    await action(fields[name])
        except CLIENT_ERRORS as error:
            await self._warn(reason_of(error))

    async def _content(self, content: object) -> None:
        prompts = content.get("weightedPrompts") if isinstance(content, Mapping) else None
        if not isinstance(prompts, list) or not prompts:
            raise Refused("clientContent.weightedPrompts is a list of at least one prompt")
        refuse_long_list("clientContent.weightedPrompts", prompts)
        accepted = []
        for prompt in prompts:
            problem = prompt_problem(prompt)
            if problem:
                text = prompt.get("text", "") if isinstance(prompt, Mapping) else ""
                filtered = {"text": str(text)[:200], "filteredReason": problem}
                await self._socket.send({"filteredPrompt": filtered})
            else:
                accepted.append(
                    {"text": prompt["text"], "weight": float(prompt.get("weight", 1.0))}
                )
        if accepted:
            prompts = [(prompt["text"], prompt["weight"]) for prompt in accepted]
            self.stream.steer({PROMPTS: prompts})
            self._prompts = accepted

    async def _configure(self, settings: object) -> None:
        if not isinstance(settings, Mapping):
            raise Refused("musicGenerationConfig is an object")
        numbers = scalars(self._context.graph)
        known = {name: numbers[control] for name, control in CONTROLS.items() if control in numbers}
        # A setting that the message leaves out goes back to its default.
        changes = {scalar.name: scalar.default for scalar in known.values()} | self._own_seed
        if DRUMS in numbers:
            changes[DRUMS] = numbers[DRUMS].default
        kept, ignored = {}, []
        for name, value in settings.items():
            if name == MUTE_DRUMS and DRUMS in numbers:
                if not isinstance(value, bool):
                    raise Refused(f"{MUTE_DRUMS} is true or false")
                changes[DRUMS] = NO_DRUMS if value else numbers[DRUMS].default
                kept[name] = value
            elif name in known:
                changes[known[name].name] = number_of(name, value, known[name])
                kept[name] = value
            elif value is not None:
                ignored.append(name)
        self.stream.steer(changes)
        self._settings = kept
        if ignored:
            names = ", ".join(sorted(str(name)[:40] for name in ignored))
            await self._warn(f"ignored, for this model has no such settings: {names}")

    async def _playback(self, control: object) -> None:
        if control == "PLAY":
            await self.stream.play()
        elif control == "PAUSE":
            self.stream.pause()
        elif control == "STOP":
            self.stream.pause()
            self.stream.reset()
        elif control == "RESET_CONTEXT":
            self.stream.reset()
        else:
            raise Refused("playbackControl is PLAY, PAUSE, STOP or RESET_CONTEXT")

    async def deliver(self, chunk: EngineChunk) -> None:
        """Sends a chunk in base64, with the prompts and settings in force.

        A warning goes before the first chunk whose prompts have words that are not understood.
        """
        self._words.keep(chunk.not_understood)
        for line in self._words.lines(chunk.not_understood):
            await self._warn(line)
        format = self._context.graph.format
        audio = {
            "data": base64.b64encode(samples_bytes(chunk.audio, "int16")).decode(),
            "mimeType": f"audio/l16;rate={format.sample_rate_hz};channels={format.channels}",
            "sourceMetadata": {
                "clientContent": {"weightedPrompts": self._prompts},
                "musicGenerationConfig": self._settings,
            },
        }
        await self._socket.send({"serverContent": {"audioChunks": [audio]}})

    async def report_failure(self, reason: str) -> None:
        """Sends a warning."""
        await self._warn(reason)

    async def _warn(self, reason: str) -> None:
        await self._socket.send({"warning": reason})


async def lyria_protocol(context: ServerContext, websocket: WebSocket) -> None:
    """Speaks the Lyria RealTime protocol on one WebSocket."""
    await serve_session(context, LyriaSession, websocket)


def prompt_problem(prompt: object) -> str:
    """Returns why a weighted prompt cannot be used; "" = it can be used."""
    if not isinstance(prompt, Mapping) or not isinstance(prompt.get("text"), str):
        return "a weighted prompt has a text"
    if is_blank(prompt["text"]):
        return "the text has blanks only"
    weight = prompt.get("weight", 1.0)
    if not is_number(weight):
        return "a weight is a number"
    return "" if weight >= 0 else "a weight below 0 is not supported"
